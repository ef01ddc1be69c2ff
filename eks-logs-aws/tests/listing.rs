//! Listings of servers that answer as real ones do not: keys that XML cannot hold, and servers that do not do what they are asked for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use eks_logs_aws::testing::sdk_config;
use eks_logs_aws::{Patience, S3Location, S3Store};
use eks_logs_core::{Error, Store as _, StoreExt as _, StorePath};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// How a server takes `encoding-type=url`.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// As S3 does: keys as in a form, and it says so.
    Encodes,
    /// It has never heard of it.
    Ignores,
}

/// A server that holds these keys, two on a page. Answers the targets that it was asked for.
async fn serve(kind: Kind, keys: &[&str]) -> (S3Store, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, keys) = (Arc::new(Mutex::new(Vec::new())), keys.iter().map(ToString::to_string).collect::<Vec<_>>());
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let target = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
            let body = page(kind, &keys, &target);
            kept.lock().unwrap().push(target);
            let length = body.len();
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            connection.write_all(text.as_bytes()).await.unwrap();
        }
    });
    let location = S3Location { bucket: "logs".to_owned(), prefix: StorePath::root() };
    let store = S3Store::new(&sdk_config(&url, "us-east-1"), location, Patience::default().with_attempts(1));
    (store, asked)
}

fn page(kind: Kind, keys: &[String], target: &str) -> String {
    let encodes = kind == Kind::Encodes && target.contains("encoding-type=url");
    let start: usize =
        target.split("continuation-token=").nth(1).map_or(0, |rest| rest.split('&').next().unwrap().parse().unwrap());
    let shown = |key: &String| {
        let form = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'*' => (byte as char).to_string(),
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        };
        let text: String =
            if encodes { key.bytes().map(form).collect() } else { key.replace('&', "&amp;").replace('<', "&lt;") };
        format!("<Contents><Key>{text}</Key><Size>1</Size><ETag>\"x\"</ETag></Contents>")
    };
    let end = (start + 2).min(keys.len());
    let next = if end < keys.len() {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>")
    } else {
        "<IsTruncated>false</IsTruncated>".to_owned()
    };
    let said = if encodes { "<EncodingType>url</EncodingType>" } else { "" };
    let contents: String = keys[start..end].iter().map(shown).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult>{said}{next}{contents}</ListBucketResult>")
}

async fn names(store: &S3Store) -> Result<Vec<String>, Error> {
    let all = store.list_all(&StorePath::root()).await?;
    Ok(all.into_iter().map(|object| object.path.to_string()).collect())
}

/// What looks encoded and is not, and all that XML must escape.
const ODD: [&str; 7] = ["100%", "a b", "a%20b", "a&b<c", "a+b", "gr\u{fc}n \u{1f980}", "x%2Fy"];

#[tokio::test]
async fn odd_keys_are_what_they_are() {
    for kind in [Kind::Encodes, Kind::Ignores] {
        let (store, asked) = serve(kind, &ODD).await;
        assert_eq!(names(&store).await.unwrap(), ODD);
        assert_eq!(asked.lock().unwrap().len(), 4, "two on a page, and none twice");
    }
}

/// One key that XML cannot hold: all others are seen, and it is named.
#[tokio::test]
async fn a_key_that_xml_cannot_hold() {
    let keys = [&ODD[..], &["bell\u{7}", "zoo"]].concat();
    let (store, asked) = serve(Kind::Encodes, &keys).await;
    let seen: Vec<&str> = ODD.into_iter().chain(["zoo"]).collect();
    assert_eq!(names(&store).await.unwrap(), seen);
    let mut refused = Refused::default();
    store.walk(&StorePath::root(), &mut refused).await.unwrap();
    assert_eq!(refused.0, ["bell\u{7}"]);
    // The first listing asked for one page twice; what follows asks right at once.
    let asked = asked.lock().unwrap().clone();
    let encoded = asked.iter().filter(|target| target.contains("encoding-type=url")).count();
    assert_eq!(asked.iter().filter(|target| target.contains("list-type")).count() - encoded, 4, "{asked:?}");

    // Where the server cannot do better, that is said, and what it holds is not taken for less.
    let (store, _) = serve(Kind::Ignores, &keys).await;
    let why = names(&store).await.unwrap_err();
    assert!(matches!(&why, Error::Unavailable { .. }) && why.to_string().contains("XML"), "{why:?}");
}

/// Names that a walk has not read.
#[derive(Default)]
struct Refused(Vec<String>, Vec<u8>);

#[async_trait::async_trait]
impl eks_logs_core::FileSink for Refused {
    async fn begin(&mut self, _: &eks_logs_core::Object) -> eks_logs_core::Result<eks_logs_core::Flow> {
        Ok(eks_logs_core::Flow::Skip)
    }

    fn space(&mut self) -> &mut [u8] {
        self.1.resize(1, 0);
        &mut self.1
    }

    async fn filled(&mut self, _: usize) -> eks_logs_core::Result<eks_logs_core::Flow> {
        Ok(eks_logs_core::Flow::Skip)
    }

    async fn end(&mut self, _: eks_logs_core::FileEnd) -> eks_logs_core::Result<()> {
        Ok(())
    }

    fn refused(&mut self, refusal: eks_logs_core::Refusal) {
        self.0.push(refusal.name);
    }

    fn cut(&mut self, _: String) {}
}
