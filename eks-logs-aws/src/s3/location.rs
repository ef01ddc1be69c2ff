use std::fmt;
use std::str::FromStr;

use eks_logs_core::{Error, StorePath};

/// A bucket, or a part of one: `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// Everything is below it.
    pub prefix: StorePath,
}

impl S3Location {
    /// The key of a path.
    pub(crate) fn key(&self, path: &StorePath) -> String {
        match (self.prefix.is_root(), path.is_root()) {
            (true, _) => path.to_string(),
            (false, true) => self.prefix.to_string(),
            (false, false) => format!("{}/{path}", self.prefix),
        }
    }

    /// The beginning of the keys below a path: with a slash at its end unless it is empty.
    pub(crate) fn below(&self, path: &StorePath) -> String {
        let key = self.key(path);
        if key.is_empty() { key } else { key + "/" }
    }

    /// The path of a key; `None` for one outside of the prefix, an error for one that no path can hold.
    pub(crate) fn path(&self, key: &str) -> Option<eks_logs_core::Result<StorePath>> {
        let rest =
            if self.prefix.is_root() { key } else { key.strip_prefix(self.prefix.as_str())?.strip_prefix('/')? };
        Some(StorePath::parse(rest))
    }

    /// An object, for people.
    pub(crate) fn uri(&self, path: &StorePath) -> String {
        format!("s3://{}/{}", self.bucket, self.key(path))
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.prefix.is_root() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl FromStr for S3Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |expected| Error::InvalidId { value: text.to_owned(), kind: "bucket location", expected };
        let rest = text.strip_prefix("s3://").ok_or_else(|| refuse("s3://bucket or s3://bucket/prefix"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; access points' ARNs are accepted as they are.
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let bytes = bucket.as_bytes();
        let valid = bucket.starts_with("arn:")
            || ((3..=63).contains(&bytes.len())
                && bytes.iter().copied().all(name)
                && ends(bytes.first())
                && ends(bytes.last())
                && !bucket.contains(".."));
        if !valid {
            return Err(refuse("a bucket of 3 to 63 of a-z 0-9 - ., as in s3://my-logs/prefix"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: StorePath::parse(prefix.trim_end_matches('/'))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let whole: S3Location = "s3://my-logs".parse().unwrap();
        assert_eq!((whole.bucket.as_str(), whole.prefix.is_root()), ("my-logs", true));
        let part: S3Location = "s3://my-logs/team/a/".parse().unwrap();
        assert_eq!(part.to_string(), "s3://my-logs/team/a");
        let path = StorePath::parse("x/y").unwrap();
        assert_eq!(part.key(&path), "team/a/x/y");
        assert_eq!(part.path("team/a/x/y").unwrap().unwrap(), path);
        assert!(part.path("team/ab/x").is_none());
        for bad in
            ["my-logs", "s3://", "s3://a", "s3://My-Logs", "s3://a..b", "s3://-ab", "s3://my-logs/../x", "s3://my_logs"]
        {
            assert!(bad.parse::<S3Location>().is_err(), "{bad}");
        }
    }
}
