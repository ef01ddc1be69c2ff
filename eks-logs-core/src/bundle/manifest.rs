//! `manifest.json`: what a bundle holds, written when it was extracted. Version 2 is the sample server's; sums, sources and what was left
//! out are ours.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{InnerRoot, Located, records};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{FileEnd, FileSink, Flow, Object, Refusal, StoreExt as _};

/// The version that is written. Readers take any: fields that are missing are not compared.
const VERSION: u32 = 2;
/// A larger manifest is not one.
const LARGEST: u64 = 64 << 20;

/// One file of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestEntry {
    /// Relative to the bundle's root.
    pub key: String,
    /// Relative to the store.
    pub full_key: String,
    /// Bytes as stored. The sample server writes 0 where it could not look.
    pub size: u64,
    /// What the sample server takes it for; `unknown` where it could not look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// SHA-256 of the stored bytes, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whose lines it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why its end is missing, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
}

/// A member that was not extracted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// Its name, as it stands in the archive.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What a bundle holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// 2, or what the sample server wrote.
    pub version: u32,
    /// When it was written, as written.
    pub generated_at: String,
    /// The archive that was extracted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_key: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_size: Option<u64>,
    /// The state in which it was extracted, as its store names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_version: Option<String>,
    /// Files.
    pub total_files: u64,
    /// Bytes of them.
    pub total_size: u64,
    /// The files, by key.
    pub files: Vec<ManifestEntry>,
    /// Members that were not extracted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<LeftOut>,
    /// Set while another archive of the same name is being extracted over these files, to that archive's state: until a new manifest
    /// stands here they are of two archives, and nobody reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracting: Option<String>,
    /// Files beside the listed ones that a former archive of this name has left. They are not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<String>,
}

/// How a bundle differs from its manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Mismatch {
    /// The manifest has it, the bundle does not.
    Missing {
        /// The file.
        file: String,
    },
    /// The bundle has it, the manifest does not.
    Unlisted {
        /// The file.
        file: String,
    },
    /// The sizes differ.
    Size {
        /// The file.
        file: String,
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The sizes are equal, the bytes are not.
    Checksum {
        /// The file.
        file: String,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl Manifest {
    /// Reads a manifest of ours or of the sample server's; fields that it lacks are empty.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what is no JSON object.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let corrupt = |detail: String| Error::Corrupt {
            path: records::MANIFEST.to_owned(),
            detail: format!("not a manifest: {detail}"),
        };
        // A struct would be read from a list, too.
        if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(corrupt("expected an object".to_owned()));
        }
        let mut manifest: Self = serde_json::from_slice(json).map_err(|why| corrupt(why.to_string()))?;
        manifest.files.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(manifest)
    }

    /// As it is stored.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers only: nothing in it can fail.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// The manifest that is stored with a bundle, if there is one. Nothing is stored in an archive.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub async fn load(bundle: &Located) -> Result<Option<Self>> {
        if bundle.store.is_sequential() {
            return Ok(None);
        }
        let path = bundle.root.join(records::MANIFEST)?;
        let size = match bundle.store.stat(&path).await {
            Ok(object) => object.size,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(why) => return Err(why),
        };
        if size > LARGEST {
            let detail = format!("{size} bytes are no manifest");
            return Err(Error::Corrupt { path: path.to_string(), detail });
        }
        Self::from_json(&bundle.store.get_all(&path).await?).map(Some)
    }

    /// One file.
    pub fn file(&self, key: &str) -> Option<&ManifestEntry> {
        self.files.binary_search_by(|file| file.key.as_str().cmp(key)).ok().map(|at| &self.files[at])
    }

    /// Whether it has sums to compare.
    pub fn has_sums(&self) -> bool {
        self.files.iter().any(|file| file.sha256.is_some())
    }

    /// The manifest of files that are known already.
    pub fn of(mut files: Vec<ManifestEntry>, mut skipped: Vec<LeftOut>, generated_at: Timestamp) -> Self {
        files.sort_by(|a, b| a.key.cmp(&b.key));
        skipped.sort();
        Self {
            version: VERSION,
            generated_at: generated_at.to_string(),
            archive_key: None,
            archive_size: None,
            archive_version: None,
            total_files: files.len() as u64,
            total_size: files.iter().map(|file| file.size).sum(),
            files,
            skipped,
            extracting: None,
            stale: Vec::new(),
        }
    }

    /// What is known of the archive, where the same files are listed anew.
    #[must_use]
    pub fn with_archive_of(mut self, former: &Self) -> Self {
        self.archive_key.clone_from(&former.archive_key);
        self.archive_size = former.archive_size;
        self.archive_version.clone_from(&former.archive_version);
        self.stale.clone_from(&former.stale);
        self
    }

    /// Reads every file of a bundle once and notes size and sum.
    ///
    /// # Errors
    /// If the bundle cannot be read at all.
    pub async fn build(bundle: &Located, generated_at: Timestamp) -> Result<Self> {
        let mut sink = Summing { root: bundle.root.clone(), buffer: vec![0; 1 << 20], ..Summing::default() };
        bundle.store.walk(&bundle.root, &mut sink).await?;
        let Summing { files, skipped, .. } = sink;
        Ok(Self::of(files, skipped, generated_at))
    }

    /// How the files that are there (their paths below the bundle's root, their sizes, and sums where they are known) differ.
    pub fn compare<'a>(&self, there: impl IntoIterator<Item = (&'a str, u64, Option<&'a str>)>) -> Vec<Mismatch> {
        let mut found: BTreeMap<&str, (u64, Option<&str>)> = BTreeMap::new();
        for (name, size, sum) in there {
            found.insert(name, (size, sum));
        }
        let mut mismatches = BTreeSet::new();
        for file in &self.files {
            let unknown = file.size == 0 && file.content_type.as_deref() == Some("unknown");
            let name = file.key.clone();
            match (found.remove(file.key.as_str()), &file.sha256) {
                (None, _) => drop(mismatches.insert(Mismatch::Missing { file: name })),
                (Some((size, _)), _) if size != file.size && !unknown => {
                    mismatches.insert(Mismatch::Size { file: name, expected: file.size, found: size });
                }
                (Some((_, Some(sum))), Some(expected)) if sum != expected.to_ascii_lowercase() => {
                    let (expected, found) = (expected.clone(), sum.to_owned());
                    mismatches.insert(Mismatch::Checksum { file: name, expected, found });
                }
                _ => {}
            }
        }
        mismatches.extend(found.into_keys().map(|name| Mismatch::Unlisted { file: name.to_owned() }));
        mismatches.into_iter().collect()
    }
}

/// Notes sizes and sums of the files of a walk.
#[derive(Default)]
struct Summing {
    root: StorePath,
    inner: InnerRoot,
    buffer: Vec<u8>,
    current: Option<(ManifestEntry, Sha256)>,
    files: Vec<ManifestEntry>,
    skipped: Vec<LeftOut>,
}

#[async_trait]
impl FileSink for Summing {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        let name = file.path.below(&self.root).unwrap_or_else(|| file.path.clone());
        if records::is_record(&name) {
            return Ok(Flow::Skip);
        }
        let (class, _) = self.inner.classify(&name);
        let entry = ManifestEntry {
            key: name.to_string(),
            full_key: file.path.to_string(),
            source: Some(class.source.name().to_owned()),
            ..ManifestEntry::default()
        };
        self.current = Some((entry, Sha256::new()));
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        if let Some((entry, hasher)) = &mut self.current {
            entry.size += count as u64;
            hasher.update(&self.buffer[..count]);
        }
        Ok(Flow::Read)
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        if let Some((mut entry, hasher)) = self.current.take() {
            entry.sha256 = Some(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
            if let FileEnd::Cut(why) = end {
                entry.truncated = Some(why);
            }
            self.files.push(entry);
        }
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.skipped.push(LeftOut { name: refusal.name, reason: refusal.detail });
    }

    fn cut(&mut self, reason: String) {
        self.skipped.push(LeftOut { name: "(the rest of the archive)".to_owned(), reason });
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::store::MemoryStore;

    fn bundle(files: &[(&str, &str)]) -> Located {
        let store = MemoryStore::new();
        for (name, content) in files {
            store.insert(StorePath::parse(name).unwrap(), content.to_string());
        }
        Located::in_store(store)
    }

    #[test]
    fn what_is_built_is_read_back_and_compares_equal() {
        let located = bundle(&[("kubelet/kubelet.log", "a\n"), ("kernel/dmesg.current", ""), ("manifest.json", "{}")]);
        let built = block_on(Manifest::build(&located, Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!((built.total_files, built.total_size), (2, 2));
        let read = Manifest::from_json(&built.to_json()).unwrap();
        assert_eq!(read, built);
        let entry = read.file("kubelet/kubelet.log").unwrap();
        assert_eq!(entry.sha256.as_deref(), Some("87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"));
        let there = read.files.iter().map(|file| (file.key.as_str(), file.size, file.sha256.as_deref()));
        assert_eq!(read.compare(there), []);
    }

    #[test]
    fn differences_are_told_apart() {
        let manifest = Manifest::from_json(
            br#"{"version":2,"generatedAt":"2026-11-20T03:15:00Z","archiveKey":"a.tar.gz","archiveSize":10,"totalFiles":4,"totalSize":9,
                "files":[{"key":"a","fullKey":"x/a","size":3,"contentType":"text/plain"},{"key":"b","fullKey":"x/b","size":0,"contentType":"unknown"},
                {"key":"c","fullKey":"x/c","size":2},{"key":"d","fullKey":"x/d","size":4,"sha256":"00FF"}],"more":{"from":"another version"}}"#,
        )
        .unwrap();
        let told = manifest.compare([("a", 2, None), ("b", 7, None), ("d", 4, Some("11")), ("e", 1, None)]);
        let size = Mismatch::Size { file: "a".into(), expected: 3, found: 2 };
        let sum = Mismatch::Checksum { file: "d".into(), expected: "00FF".into(), found: "11".into() };
        let rest = [Mismatch::Missing { file: "c".into() }, Mismatch::Unlisted { file: "e".into() }];
        assert_eq!(told.len(), 4);
        assert!(told.contains(&size) && told.contains(&sum) && rest.iter().all(|one| told.contains(one)));
        assert!(manifest.compare([("d", 4, Some("00ff"))]).iter().all(|one| !matches!(one, Mismatch::Checksum { .. })));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        assert!(Manifest::from_json(b"[1]").is_err());
        assert!(Manifest::from_json(b"not json").is_err());
        assert_eq!(Manifest::from_json(b"{}").unwrap(), Manifest::default());
        let located = bundle(&[("a", "x")]);
        assert_eq!(block_on(Manifest::load(&located)).unwrap(), None);
    }
}
