//! The file of a bundle that a key names.

use eks_logs_core::bundle::collection_of_key;
use eks_logs_core::{Located, StorePath};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::context::{BundleUsed, Bundles, Context, Selected, Selector};
use crate::failure::{Code, Failure};

/// Which file. Part of the arguments of every tool that reads one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSelector {
    /// The file: as answers name it (kubelet/kubelet.log, with instanceId or bundleId where there are many bundles), or its full key
    /// (`eks_<instance>_<collection>/extracted/kubelet/kubelet.log`).
    pub log_key: String,
    /// The node whose newest bundle is meant, where logKey is no full key.
    #[serde(default)]
    #[schemars(with = "String")]
    pub instance_id: Option<String>,
    /// The bundle, where logKey is no full key.
    #[serde(default)]
    #[schemars(with = "String")]
    pub bundle_id: Option<String>,
}

/// A file that was found.
pub(crate) struct Chosen {
    pub(crate) selected: Selected,
    /// In its store.
    pub(crate) path: StorePath,
    /// Below the bundle's root.
    pub(crate) file: StorePath,
}

impl FileSelector {
    /// Finds the bundle and the file in it. A key outside is refused before anything is looked at.
    pub(crate) async fn choose(&self, context: &Context) -> Result<Chosen, Failure> {
        let named = collection_of_key(&self.log_key)?;
        let mut wanted = Selector {
            instance_id: self.instance_id.clone(),
            bundle_id: self.bundle_id.clone(),
            ..Selector::default()
        };
        if let (Some(named), false) = (named, matches!(context.bundles, Bundles::One(_))) {
            wanted.bundle_id = Some(named.bundle_id());
            wanted.instance_id = named.instance.map(|id| id.to_string());
        }
        let nowhere = wanted.instance_id.is_none() && wanted.bundle_id.is_none();
        if nowhere && !matches!(context.bundles, Bundles::One(_)) {
            return Err(Failure::new(
                Code::BadArgument,
                format!("{:?}: of which bundle?", self.log_key),
                "give the full key, as answers have it in fullKey, or add instanceId",
            ));
        }
        let selected = context.select(&wanted).await?;
        let path = selected.located.find(&self.log_key).await?;
        let file = path.below(&selected.located.root).unwrap_or_else(|| path.clone());
        Ok(Chosen { selected, path, file })
    }
}

impl Context {
    /// What an answer says of a bundle that was not scanned: what its name tells.
    pub(crate) fn used_by_name(&self, selected: &Selected) -> BundleUsed {
        let name = selected.located.name.as_ref();
        let collected_at = name.and_then(|name| name.collected_at);
        BundleUsed {
            bundle_id: name.map(|name| name.bundle_id()),
            instance_id: name.and_then(|name| name.instance.as_ref()).map(ToString::to_string),
            collected_at,
            bundle_age_seconds: self
                .clock
                .as_ref()
                .zip(collected_at)
                .map(|(clock, at)| clock.now().as_second() - at.as_second()),
            bundles_of_instance: selected.of_instance,
        }
    }
}

/// The full key of a file: `eks_<instance>_<collection>/extracted/<file>` where the bundle's name is known, whatever form the bundle has.
pub(crate) fn full_key(bundle: &Located, file: &str) -> String {
    match &bundle.name {
        Some(name) if !bundle.root.as_str().starts_with("eks_") => {
            let instance = name.instance.as_ref().map(|id| id.as_str()).unwrap_or_default();
            format!("eks_{instance}_{}/extracted/{file}", name.collection)
        }
        _ if bundle.root.is_root() => file.to_owned(),
        _ => format!("{}/{file}", bundle.root),
    }
}
