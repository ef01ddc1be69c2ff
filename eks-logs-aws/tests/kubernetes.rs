//! The question to a cluster's API server, over TLS: trusted by the cluster's own authority, and by that alone.
#![cfg(feature = "inventory")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use eks_logs_aws::testing::sdk_config;
use eks_logs_aws::{Ec2EksInventory, Patience};
use eks_logs_core::inventory::Cluster;
use eks_logs_core::{Error, Inventory as _, Region};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An API server with a certificate for some name; it answers with pages of two nodes, and keeps the heads of the requests.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(signed_by: &Authority, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, signed_by).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Who does not trust the certificate hangs up.
                let Ok(mut connection) = acceptor.accept(connection).await else { continue };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(connection.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let body = answer(&head).to_string();
                kept.lock().unwrap().push(head);
                let length = body.len();
                let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                connection.write_all(text.as_bytes()).await.unwrap();
                connection.shutdown().await.ok();
            }
        });
        Self { port, heads }
    }

    fn cluster(&self, authority: Option<Vec<u8>>) -> Cluster {
        Cluster {
            name: "prod".to_owned(),
            arn: None,
            region: Region::parse("eu-central-1").unwrap(),
            version: None,
            status: "ACTIVE".to_owned(),
            platform_version: None,
            endpoint: Some(format!("https://localhost:{}", self.port)),
            certificate_authority: authority,
            issues: Vec::new(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn answer(head: &str) -> Value {
    let node = |name: &str| json!({ "metadata": { "name": name } });
    // A token of Kubernetes may hold what a URL must not.
    if head.starts_with("GET /api/v1/nodes?limit=500&continue=a%2Bb%2F%3D ") {
        json!({ "metadata": {}, "items": [node("c")] })
    } else {
        json!({ "metadata": { "continue": "a+b/=" }, "items": [node("b"), node("a")] })
    }
}

fn inventory() -> Ec2EksInventory {
    let patience = Patience::default().with_attempts(1);
    Ec2EksInventory::new(&sdk_config("http://127.0.0.1:1", "eu-central-1"), patience)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clusters_own_authority_is_trusted() {
    let own = authority();
    let server = Server::start(&own, "localhost").await;
    let cluster = server.cluster(Some(own.pem().into_bytes()));
    let nodes = inventory().registered(&cluster).await.unwrap().unwrap();
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"], "both pages");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for head in asked {
        let token = head.lines().find(|line| line.to_lowercase().starts_with("authorization: "));
        assert!(token.unwrap().contains("Bearer k8s-aws-v1."), "{head}");
    }
}

/// Whoever stands between us and the cluster gets neither an answer out of us nor our token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_else_is_refused() {
    let (own, other) = (authority(), authority());
    let known = || Some(own.pem().into_bytes());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        ("another authority", &other, "localhost", known()),
        ("another host's certificate", &own, "example.com", known()),
        ("no authority is known", &own, "localhost", None),
        ("what is no authority", &own, "localhost", Some(b"not a certificate".to_vec())),
        ("a broken authority", &own, "localhost", Some(broken.as_bytes().to_vec())),
    ];
    for (case, signed_by, name, trusted) in cases {
        let server = Server::start(signed_by, name).await;
        let why = inventory().registered(&server.cluster(trusted)).await.expect_err(case);
        assert!(matches!(why, Error::Unavailable { .. }), "{case}: {why:?}");
        assert!(why.to_string().contains("certificate"), "{case}: {why}");
        assert!(server.asked().is_empty(), "{case}: nothing was sent");
    }
}
