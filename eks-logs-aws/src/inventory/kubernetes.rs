//! The nodes as Kubernetes knows them, asked of the cluster's API server with a token that EKS accepts: a signed question to STS of who we
//! are (github.com/kubernetes-sigs/aws-iam-authenticator, "API Authorization from Outside a Cluster").

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_core::inventory::{Cluster, RegisteredNode};
use eks_logs_core::{Error, InstanceId, Result};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::config::Patience;
use crate::error::{Asked, chain, of_answer};

/// Nodes of one page.
const PAGE: usize = 500;
/// Bytes of a page: a node is some kilobytes.
const MOST: usize = 64 << 20;
/// How long a token holds; EKS accepts up to 15 minutes.
const HOLDS: Duration = Duration::from_secs(60);

pub(super) async fn nodes(
    shared: &SdkConfig,
    cluster: &Cluster,
    patience: &Patience,
) -> Result<Option<Vec<RegisteredNode>>> {
    let Some(endpoint) = cluster.endpoint.as_deref() else { return Ok(None) };
    let path = format!("Kubernetes of {}", cluster.name);
    let token = token(shared, cluster).await?;
    let connector = connector(cluster, endpoint, patience)?;
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let mut url = format!("{}/api/v1/nodes?limit={PAGE}", endpoint.trim_end_matches('/'));
        if !next.is_empty() {
            url.push_str("&continue=");
            url.push_str(&next);
        }
        let page: NodeList = get(&connector, &url, &token, &path).await?;
        found.extend(page.items.into_iter().map(registered));
        match page.metadata.next {
            Some(token) if !token.is_empty() => next = encoded(&token),
            _ => break,
        }
    }
    found.sort_by(|a: &RegisteredNode, b| a.name.cmp(&b.name));
    Ok(Some(found))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn connector(cluster: &Cluster, endpoint: &str, patience: &Patience) -> Result<Connector> {
    let settings =
        HttpConnectorSettings::builder().connect_timeout(patience.connect).read_timeout(patience.read).build();
    let builder =
        Connector::builder().connector_settings(settings).sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
    if endpoint.starts_with("http://") {
        return Ok(builder.build_http());
    }
    // The API server's certificate is signed by the cluster's own authority, and by that alone.
    let authority = cluster.certificate_authority.clone().unwrap_or_default();
    check_authority(&authority).map_err(|why| Error::Unavailable {
        path: cluster.name.clone(),
        detail: format!("the cluster's certificate authority cannot be used: {why}"),
    })?;
    let trusted = tls::TrustStore::empty().with_pem_certificate(authority);
    let context = tls::TlsContext::builder().with_trust_store(trusted).build().map_err(|why| Error::Unavailable {
        path: cluster.name.clone(),
        detail: format!("the cluster's certificate authority cannot be used: {}", chain(&why)),
    })?;
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
    Ok(builder.tls_provider(provider).tls_context(context).build())
}

/// The connector takes for granted that these are certificates, and panics where they are not.
fn check_authority(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|why| chain(&why))?).map_err(|why| chain(&why))?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(())
}

/// A token: the URL of a signed question, good for a minute.
async fn token(shared: &SdkConfig, cluster: &Cluster) -> Result<String> {
    let refused = |detail: String| Error::Credentials { path: cluster.name.clone(), detail };
    let provider = shared.credentials_provider().ok_or_else(|| refused("there are no credentials".to_owned()))?;
    let credentials = provider.provide_credentials().await.map_err(|why| refused(chain(&why)))?;
    let identity = credentials.into();
    let region = cluster.region.as_str();
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = format!("https://sts.{region}.{domain}/?Action=GetCallerIdentity&Version=2011-06-15");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(HOLDS);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::from(Timestamp::now()))
        .settings(settings)
        .build()
        .map_err(|why| refused(chain(&why)))?
        .into();
    let headers = [("x-k8s-aws-id", cluster.name.as_str())];
    let request = SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::Bytes(b""))
        .map_err(|why| refused(chain(&why)))?;
    let (signed, _) = sign(request, &params).map_err(|why| refused(chain(&why)))?.into_parts();
    let mut url = url;
    for (name, value) in signed.params() {
        url.push_str(&format!("&{name}={}", encoded(value)));
    }
    Ok(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)))
}

async fn get<T: for<'de> Deserialize<'de>>(connector: &Connector, url: &str, token: &str, path: &str) -> Result<T> {
    let failed = |detail: String| Error::Unavailable { path: path.to_owned(), detail };
    let mut request = HttpRequest::get(url).map_err(|why| failed(chain(&why)))?;
    request.headers_mut().insert("authorization", format!("Bearer {token}"));
    request.headers_mut().insert("accept", "application/json");
    let response = connector.call(request).await.map_err(|why| failed(chain(&why)))?;
    let status = response.status().as_u16();
    let body = read(response.into_body()).await.map_err(failed)?;
    if status != 200 {
        let said: Status = serde_json::from_slice(&body).unwrap_or_default();
        let asked = Asked { path, action: "list on nodes (an EKS access entry)" };
        return Err(of_answer(&asked, status, &said.reason, &said.message, None));
    }
    serde_json::from_slice(&body).map_err(|why| failed(format!("the answer is not a list of nodes: {why}")))
}

async fn read(body: SdkBody) -> Result<Vec<u8>, String> {
    let mut stream = aws_smithy_types::byte_stream::ByteStream::new(body);
    let mut content = Vec::new();
    while let Some(piece) = stream.try_next().await.map_err(|why| chain(&why))? {
        content.extend_from_slice(&piece);
        if content.len() > MOST {
            return Err(format!("the answer is larger than {MOST} bytes"));
        }
    }
    Ok(content)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    reason: String,
    message: String,
}

#[derive(Deserialize)]
struct NodeList {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Node>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "providerID")]
    provider_id: String,
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    conditions: Vec<Condition>,
    node_info: NodeInfo,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: Option<String>,
}

fn registered(node: Node) -> RegisteredNode {
    let ready = node.status.conditions.iter().find(|condition| condition.kind == "Ready");
    let mut pressures: Vec<String> = node
        .status
        .conditions
        .iter()
        .filter(|condition| condition.kind != "Ready" && is_trouble(condition))
        .map(|condition| condition.kind.clone())
        .collect();
    pressures.sort();
    // aws:///eu-central-1a/i-0123... or eks-hybrid:///region/cluster/mi-0123...
    let instance = node.spec.provider_id.rsplit('/').next().and_then(|id| InstanceId::parse(id).ok());
    RegisteredNode {
        name: node.metadata.name,
        instance,
        ready: ready.and_then(|condition| match condition.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }),
        reason: ready.filter(|condition| condition.status != "True").and_then(|condition| condition.reason.clone()),
        pressures,
        unschedulable: node.spec.unschedulable,
        kubelet_version: node.status.node_info.kubelet_version,
    }
}

/// Kubernetes' own pressures are bad when true; the conditions of EKS's node monitoring agent (KernelReady, ...) when false.
fn is_trouble(condition: &Condition) -> bool {
    if condition.kind.ends_with("Ready") { condition.status == "False" } else { condition.status == "True" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_from_what_kubernetes_says() {
        let list: NodeList = serde_json::from_str(
            r#"{"metadata":{"continue":"abc"},"items":[{"metadata":{"name":"ip-10-0-0-1.ec2.internal"},
                "spec":{"providerID":"aws:///eu-central-1a/i-0123456789abcdef0","unschedulable":true},
                "status":{"nodeInfo":{"kubeletVersion":"v1.33.1-eks-1"},"conditions":[
                  {"type":"MemoryPressure","status":"False"},{"type":"DiskPressure","status":"True"},
                  {"type":"KernelReady","status":"False"},{"type":"Ready","status":"False","reason":"KubeletNotReady"}]}},
                {"metadata":{"name":"hybrid"},"spec":{"providerID":"eks-hybrid:///eu-central-1/prod/mi-0123456789abcdef0"},
                 "status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown"}]}}]}"#,
        )
        .unwrap();
        assert_eq!(list.metadata.next.as_deref(), Some("abc"));
        let nodes: Vec<RegisteredNode> = list.items.into_iter().map(registered).collect();
        assert_eq!(nodes[0].instance.as_ref().unwrap().as_str(), "i-0123456789abcdef0");
        assert_eq!((nodes[0].ready, nodes[0].reason.as_deref()), (Some(false), Some("KubeletNotReady")));
        assert_eq!(nodes[0].pressures, ["DiskPressure", "KernelReady"]);
        assert!(nodes[0].unschedulable);
        assert_eq!((nodes[1].ready, nodes[1].instance.as_ref().unwrap().as_str()), (None, "mi-0123456789abcdef0"));
    }
}
