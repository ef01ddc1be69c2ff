//! Which bundle, and which time.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use eks_logs_tools::{Bundles, Code, Failure, Selector, TimeArguments, open_local};
use futures_lite::future::block_on;

/// The bundle that a command reads.
#[derive(Debug, ClapArgs)]
pub(crate) struct Target {
    /// Archive or directory
    #[arg(required_unless_present = "store", conflicts_with = "store")]
    pub(crate) bundle: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) stored: Stored,
}

/// A bundle and what is asked of it: BUNDLE and one more word, or with --store that word alone.
#[derive(Debug, ClapArgs)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) stored: Stored,
}

impl Place {
    /// Where the bundle is, and the word, of the words that were given.
    pub(crate) fn of<'a>(&self, words: &'a [String], what: &str) -> Result<(Bundles, &'a str), Failure> {
        let refuse = |error: String, suggestion: String| Err(Failure::new(Code::BadArgument, error, suggestion));
        match (&self.stored.store, words) {
            (Some(store), [word]) => Ok((self.stored.many(store)?, word)),
            (Some(_), _) => {
                refuse("BUNDLE and --store exclude each other".to_owned(), format!("give {what} alone, with --store"))
            }
            (None, [bundle, word]) => {
                let located = block_on(open_local(std::path::Path::new(bundle)))?;
                Ok((Bundles::One(located), word))
            }
            (None, _) => refuse(format!("{what} is missing"), format!("give BUNDLE and {what}")),
        }
    }
}

/// A store of many bundles, and which of them.
#[derive(Debug, ClapArgs)]
pub(crate) struct Stored {
    /// A directory of many bundles, in the place of BUNDLE
    #[arg(long, value_name = "DIR", requires = "node")]
    pub(crate) store: Option<String>,

    /// The node whose newest bundle of the store is read
    #[arg(long, value_name = "ID", requires = "store", group = "node")]
    pub(crate) instance_id: Option<String>,

    /// A certain bundle of the store
    #[arg(long, value_name = "ID", requires = "store", group = "node")]
    pub(crate) bundle_id: Option<String>,
}

impl Target {
    /// Where the bundle is.
    pub(crate) fn bundles(&self) -> Result<Bundles, Failure> {
        match (&self.bundle, &self.stored.store) {
            (_, Some(store)) => self.stored.many(store),
            (Some(bundle), None) => Ok(Bundles::One(block_on(open_local(bundle))?)),
            (None, None) => Err(Failure::new(Code::BadArgument, "no bundle is named", "name a bundle, or a --store")),
        }
    }

    /// Which one it is.
    pub(crate) fn selector(&self) -> Selector {
        Selector {
            instance_id: self.stored.instance_id.clone(),
            bundle_id: self.stored.bundle_id.clone(),
            ..Selector::default()
        }
    }
}

impl Stored {
    fn many(&self, store: &str) -> Result<Bundles, Failure> {
        if store.starts_with("s3://") {
            return Err(Failure::new(
                Code::BadArgument,
                format!("{store}: this build reads local stores only"),
                "copy the bundles (`aws s3 sync s3://... .`) and point --store at the directory",
            ));
        }
        Ok(Bundles::Directory(PathBuf::from(store)))
    }
}

/// The time that a command asks about.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct When {
    /// Only what happened within five minutes of this moment (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start_time", "end_time"])]
    incident_time: Option<String>,

    /// Only from this moment on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    start_time: Option<String>,

    /// Only up to this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    end_time: Option<String>,
}

impl When {
    pub(crate) fn arguments(&self) -> TimeArguments {
        TimeArguments {
            incident_time: self.incident_time.clone(),
            start_time: self.start_time.clone(),
            end_time: self.end_time.clone(),
        }
    }
}
