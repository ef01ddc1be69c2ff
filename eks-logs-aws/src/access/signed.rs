//! Requests that are signed here: IAM's query protocol and KMS's JSON
//! (docs.aws.amazon.com/IAM/latest/APIReference, docs.aws.amazon.com/kms/latest/APIReference).

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use aws_types::service_config::ServiceConfigKey;
use eks_logs_core::{Error, Region, Result};
use jiff::Timestamp;
use serde_json::Value;

use crate::config::Patience;
use crate::error::{Asked, chain, of_answer};

/// Signs and sends.
pub(super) struct Caller {
    shared: SdkConfig,
    patience: Patience,
}

/// An answer of IAM.
pub(super) struct Answer {
    path: String,
    text: String,
}

impl Answer {
    /// The text of the first element at the end of this path.
    pub(super) fn first(&self, path: &[&str]) -> Result<Option<String>> {
        first(&self.text, path).map_err(|detail| Error::Unavailable { path: self.path.clone(), detail })
    }
}

/// Where a request goes, and how it is signed.
struct To<'a> {
    /// As the SDKs' configuration names the service.
    service_id: &'a str,
    /// As signatures name it.
    name: &'a str,
    region: &'a str,
    /// Where the configuration names no endpoint.
    url: String,
    headers: Vec<(&'a str, String)>,
}

impl Caller {
    pub(super) fn new(shared: &SdkConfig, patience: Patience) -> Self {
        Self { shared: shared.clone(), patience }
    }

    pub(super) async fn iam(&self, asked: &Asked<'_>, region: &Region, form: &[(String, String)]) -> Result<Answer> {
        // IAM is global: one endpoint a partition.
        let (region, host) = match region.as_str() {
            region if region.starts_with("cn-") => ("cn-north-1", "iam.cn-north-1.amazonaws.com.cn"),
            region if region.starts_with("us-gov-") => ("us-gov-west-1", "iam.us-gov.amazonaws.com"),
            _ => ("us-east-1", "iam.amazonaws.com"),
        };
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let to = To {
            service_id: "IAM",
            name: "iam",
            region,
            url: format!("https://{host}/"),
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
        };
        let (status, text) = self.send(asked, &to, body.join("&")).await?;
        if status != 200 {
            let of = |name: &str| first(&text, &["Error", name]).ok().flatten().unwrap_or_default();
            return Err(of_answer(asked, status, &of("Code"), &of("Message"), None));
        }
        Ok(Answer { path: asked.path.to_owned(), text })
    }

    pub(super) async fn kms(&self, asked: &Asked<'_>, region: &Region, action: &str, body: &Value) -> Result<Value> {
        let domain = if region.as_str().starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let to = To {
            service_id: "KMS",
            name: "kms",
            region: region.as_str(),
            url: format!("https://kms.{region}.{domain}/"),
            headers: vec![
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", format!("TrentService.{action}")),
            ],
        };
        let (status, text) = self.send(asked, &to, body.to_string()).await?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if status != 200 {
            let code = value["__type"].as_str().unwrap_or_default();
            let code = code.rsplit('#').next().unwrap_or(code);
            let message = value["message"].as_str().or(value["Message"].as_str()).unwrap_or_default();
            return match code {
                "NotFoundException" => Err(Error::NotFound { path: asked.path.to_owned() }),
                _ => Err(of_answer(asked, status, code, message, None)),
            };
        }
        Ok(value)
    }

    /// Sends, and again where the service asks for it or does not answer.
    async fn send(&self, asked: &Asked<'_>, to: &To<'_>, body: String) -> Result<(u16, String)> {
        let mut pause = self.patience.first_pause;
        for _ in 1..self.patience.attempts.max(1) {
            match self.send_once(asked, to, &body).await {
                Ok((status, text)) if status < 500 && status != 429 && !text.contains("Throttling") => {
                    return Ok((status, text));
                }
                Err(why) if !matches!(why, Error::Unavailable { .. }) => return Err(why),
                _ => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        self.send_once(asked, to, &body).await
    }

    fn endpoint(&self, to: &To<'_>) -> String {
        let key = ServiceConfigKey::builder()
            .service_id(to.service_id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let of_service = key.ok().and_then(|key| self.shared.service_config()?.load_config(key));
        let own = of_service.or_else(|| self.shared.endpoint_url().map(str::to_owned));
        own.map_or_else(|| to.url.clone(), |url| format!("{}/", url.trim_end_matches('/')))
    }

    async fn send_once(&self, asked: &Asked<'_>, to: &To<'_>, body: &str) -> Result<(u16, String)> {
        let path = asked.path.to_owned();
        let unavailable = |detail: String| Error::Unavailable { path: path.clone(), detail };
        let refused = |detail: String| Error::Credentials { path: path.clone(), detail };
        let provider =
            self.shared.credentials_provider().ok_or_else(|| refused("there are no credentials".to_owned()))?;
        let identity = provider.provide_credentials().await.map_err(|why| refused(chain(&why)))?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(to.region)
            .name(to.name)
            .time(SystemTime::from(Timestamp::now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|why| refused(chain(&why)))?
            .into();
        let url = self.endpoint(to);
        let headers = to.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new("POST", &url, headers, SignableBody::Bytes(body.as_bytes()))
            .map_err(|why| unavailable(chain(&why)))?;
        let (signed, _) = sign(signable, &params).map_err(|why| refused(chain(&why)))?.into_parts();
        let mut request = http::Request::post(&url);
        for (name, value) in &to.headers {
            request = request.header(*name, value);
        }
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        let request = request.body(SdkBody::from(body)).map_err(|why| unavailable(chain(&why)))?;
        let request = HttpRequest::try_from(request).map_err(|why| unavailable(chain(&why)))?;
        let answer = self.connector(&url).call(request).await.map_err(|why| unavailable(chain(&why)))?;
        let status = answer.status().as_u16();
        let body = ByteStream::new(answer.into_body()).collect().await.map_err(|why| unavailable(chain(&why)))?;
        Ok((status, String::from_utf8_lossy(&body.into_bytes()).into_owned()))
    }

    fn connector(&self, url: &str) -> Connector {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(self.patience.connect)
            .read_timeout(self.patience.read)
            .build();
        let builder = Connector::builder()
            .connector_settings(settings)
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
        if url.starts_with("http://") {
            return builder.build_http();
        }
        builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc)).build()
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn first(text: &str, path: &[&str]) -> std::result::Result<Option<String>, String> {
    let mut document = Document::new(text);
    let mut root = document.root_element().map_err(|why| chain(&why))?;
    below(&mut root, &mut Vec::new(), path).map_err(|why| chain(&why))
}

fn below(
    at: &mut ScopedDecoder<'_, '_>,
    names: &mut Vec<String>,
    path: &[&str],
) -> std::result::Result<Option<String>, aws_smithy_xml::decode::XmlDecodeError> {
    while let Some(mut tag) = at.next_tag() {
        names.push(tag.start_el().local().to_owned());
        let found = if names.ends_with(&path.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()) {
            Some(try_data(&mut tag)?.into_owned())
        } else {
            below(&mut tag, names, path)?
        };
        names.pop();
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_found_by_the_end_of_its_path() {
        let text = r#"<GetInstanceProfileResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetInstanceProfileResult>
            <InstanceProfile><Arn>arn:aws:iam::1:instance-profile/p</Arn><Roles><member><Path>/</Path>
            <Arn>arn:aws:iam::1:role/r</Arn></member></Roles></InstanceProfile></GetInstanceProfileResult></GetInstanceProfileResponse>"#;
        assert_eq!(first(text, &["Roles", "member", "Arn"]).unwrap().as_deref(), Some("arn:aws:iam::1:role/r"));
        assert_eq!(first(text, &["Roles", "member", "Name"]).unwrap(), None);
        assert!(first("", &["a"]).is_err());
        assert!(first("<html", &["a"]).is_err());
    }
}
