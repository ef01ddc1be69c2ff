use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::http::{self, Request};

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The service answers with an error: a status and S3's XML with a code.
    Xml(u16, &'static str),
    /// The service answers with an error: a status and JSON 1.1 with a type.
    Json(u16, &'static str),
    /// The service answers that the bucket is in another region.
    Region(&'static str),
    /// The connection is reset before an answer.
    Reset,
    /// The request is carried out, and the answer is lost.
    AnswerLost,
    /// The body breaks off after so many bytes.
    CutBody(usize),
    /// The body stops after so many bytes and the connection stays open for so long.
    StallBody(usize, Duration),
    /// No answer comes for so long.
    Stall(Duration),
}

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Such as GET.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The operation of a JSON 1.1 service, such as StartAutomationExecution; of a query service, such as DescribeInstances.
    pub operation: String,
    /// The header `range`.
    pub range: Option<String>,
    /// The header `if-match`.
    pub if_match: Option<String>,
    /// The header `x-amz-server-side-encryption` with the key behind it.
    pub encryption: Option<String>,
    /// Bytes of the body.
    pub sent: usize,
}

type Wanted = Box<dyn Fn(&Seen) -> bool + Send>;

struct Rule {
    wanted: Wanted,
    fault: Fault,
    left: usize,
}

/// A server in front of another one, which counts requests and makes some of them fail. It ends with the runtime.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    rules: Arc<Mutex<Vec<Rule>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Proxy {
    /// In front of `http://host:port`.
    pub async fn before(upstream: &str) -> Self {
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let proxy = Self { address, rules: Arc::default(), seen: Arc::default() };
        let served = proxy.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (proxy, upstream) = (served.clone(), upstream.clone());
                // A client that goes away is no failure of the proxy.
                tokio::spawn(async move { proxy.serve(connection, &upstream).await.ok() });
            }
        });
        proxy
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` requests of this kind fail so.
    pub fn fail(&self, times: usize, fault: Fault, wanted: impl Fn(&Seen) -> bool + Send + 'static) {
        self.rules.lock().unwrap().push(Rule { wanted: Box::new(wanted), fault, left: times });
    }

    /// What came by so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests of a kind came by.
    pub fn count(&self, wanted: impl Fn(&Seen) -> bool) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| wanted(seen)).count()
    }

    /// Forgets what came by, and the faults.
    pub fn reset(&self) {
        self.seen.lock().unwrap().clear();
        self.rules.lock().unwrap().clear();
    }

    fn fault(&self, seen: &Seen) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.left > 0 && (rule.wanted)(seen))?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }

    async fn serve(&self, mut client: TcpStream, upstream: &str) -> io::Result<()> {
        let Some(request) = http::request(&mut client).await? else { return Ok(()) };
        let seen = seen(&request);
        let fault = self.fault(&seen);
        let is_head = seen.method == "HEAD";
        self.seen.lock().unwrap().push(seen);
        let answer = |status: u16, extra: &str, body: String| {
            let length = if is_head { 0 } else { body.len() };
            let body = if is_head { String::new() } else { body };
            format!("HTTP/1.1 {status} Injected\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        };
        match fault {
            Some(Fault::Xml(status, code)) => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>injected</Message></Error>"
                );
                client.write_all(answer(status, "Content-Type: application/xml\r\n", body).as_bytes()).await
            }
            Some(Fault::Json(status, code)) => {
                let body = format!("{{\"__type\":\"{code}\",\"message\":\"injected\"}}");
                client.write_all(answer(status, "Content-Type: application/x-amz-json-1.1\r\n", body).as_bytes()).await
            }
            Some(Fault::Region(region)) => {
                let body = "<Error><Code>PermanentRedirect</Code><Message>injected</Message></Error>".to_owned();
                let extra = format!("x-amz-bucket-region: {region}\r\n");
                client.write_all(answer(301, &extra, body).as_bytes()).await
            }
            Some(Fault::Reset) => {
                drop(client);
                Ok(())
            }
            Some(Fault::Stall(long)) => {
                tokio::time::sleep(long).await;
                Ok(())
            }
            Some(Fault::AnswerLost) => {
                let mut server = forward(upstream, &request).await?;
                let mut nothing = Vec::new();
                server.read_to_end(&mut nothing).await?;
                Ok(())
            }
            Some(Fault::CutBody(bytes)) => relay(client, forward(upstream, &request).await?, bytes, None).await,
            Some(Fault::StallBody(bytes, long)) => {
                relay(client, forward(upstream, &request).await?, bytes, Some(long)).await
            }
            None => relay(client, forward(upstream, &request).await?, usize::MAX, None).await,
        }
    }
}

fn seen(request: &Request) -> Seen {
    let head = String::from_utf8_lossy(&request.head);
    let mut line = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (line.next().unwrap_or_default().to_owned(), line.next().unwrap_or_default().to_owned());
    let header = |name: &str| http::header(&request.head, name);
    let body = String::from_utf8_lossy(&request.body[..request.body.len().min(200)]).into_owned();
    let operation = header("x-amz-target")
        .and_then(|target| target.rsplit('.').next().map(str::to_owned))
        .or_else(|| body.split('&').find_map(|part| part.strip_prefix("Action=")).map(str::to_owned))
        .unwrap_or_default();
    let encryption = header("x-amz-server-side-encryption")
        .map(|kind| format!("{kind} {}", header("x-amz-server-side-encryption-aws-kms-key-id").unwrap_or_default()));
    Seen {
        method,
        target,
        operation,
        range: header("range"),
        if_match: header("if-match"),
        encryption,
        sent: request.body.len(),
    }
}

/// Sends a request on.
async fn forward(upstream: &str, request: &Request) -> io::Result<TcpStream> {
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&http::closing(&request.head)).await?;
    server.write_all(&request.body).await?;
    Ok(server)
}

/// Passes an answer back, at most so many bytes of its body.
async fn relay(mut client: TcpStream, mut server: TcpStream, most: usize, stall: Option<Duration>) -> io::Result<()> {
    let Some((head, mut body)) = http::head(&mut server).await? else { return Ok(()) };
    client.write_all(&http::closing(&head)).await?;
    let mut left = most;
    let mut buffer = vec![0; 64 << 10];
    loop {
        body.truncate(left);
        client.write_all(&body).await?;
        left -= body.len();
        if left == 0 {
            client.flush().await?;
            if let Some(long) = stall {
                tokio::time::sleep(long).await;
            }
            return Ok(());
        }
        let count = server.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        body = buffer[..count].to_vec();
    }
}
