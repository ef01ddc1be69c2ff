//! Many clients of one server over HTTP on loopback: how long answers take, and what the server's memory does.
//!
//! usage: load SERVER STORE INSTANCE-ID [CLIENTS] [SECONDS]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Resident memory of a process, in MiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().to_owned();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
}

fn request(tool: &str, arguments: Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "load", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments, "_meta": meta } })
    .to_string()
}

async fn call(client: &reqwest::Client, url: &str, tool: &str, body: &str) -> Result<(), String> {
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(body.to_owned())
        .send()
        .await
        .map_err(|why| why.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|why| why.to_string())?;
    if status.is_success() && text.contains("\"success\":true") {
        Ok(())
    } else {
        Err(format!("{status}: {:.300}", text))
    }
}

fn told(name: &str, mut times: Vec<u128>) {
    times.sort_unstable();
    let at = |share: f64| {
        times.get(((times.len() as f64 * share) as usize).min(times.len() - 1)).copied().unwrap_or(0) as f64 / 1000.0
    };
    println!(
        "{name}: {} answers, median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [server, store, instance, rest @ ..] = given.as_slice() else {
        panic!("usage: load SERVER STORE INSTANCE-ID [CLIENTS] [SECONDS]")
    };
    let number = |at: usize, otherwise: u64| rest.get(at).map_or(otherwise, |text| text.parse().expect("a number"));
    let (clients, seconds) = (number(0, 200), number(1, 30));
    let mut child = Command::new(server)
        .args(["--store", store, "--tools", "all", "--http", "127.0.0.1:0", "--stateless"])
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut logs = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let url = loop {
        let line = logs.next().expect("it listens").expect("text");
        if let Some((_, at)) = line.split_once("at=") {
            break format!("http://{}/mcp", at.split_ascii_whitespace().next().unwrap_or_default());
        }
    };
    std::thread::spawn(move || logs.for_each(drop));
    println!("idle: {} MiB", resident(child.id()));

    let client = reqwest::Client::builder().pool_max_idle_per_host(1024).build().expect("a client");
    let errors = request("errors", json!({ "instanceId": instance }));
    let key = std::env::var("LOG_KEY").ok();
    let calls: Vec<(&str, String)> = match key {
        Some(key) => vec![
            ("errors", errors),
            ("read", request("read", json!({ "logKey": key, "startByte": 1000, "endByte": 21_000 }))),
        ],
        None => vec![("errors", errors)],
    };
    let began = Instant::now();
    call(&client, &url, "errors", &calls[0].1).await.expect("the first answer");
    println!("first answer (scan): {} ms, {} MiB", began.elapsed().as_millis(), resident(child.id()));
    for (tool, body) in &calls {
        let mut alone = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            call(&client, &url, tool, body).await.expect("an answer");
            alone.push(began.elapsed().as_micros());
        }
        told(&format!("one client, {tool}"), alone);
    }

    let (over, failures) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let calls = Arc::new(calls);
    let running: Vec<_> = (0..clients)
        .map(|number| {
            let (client, url, calls) = (client.clone(), url.clone(), Arc::clone(&calls));
            let (over, failures) = (Arc::clone(&over), Arc::clone(&failures));
            tokio::spawn(async move {
                let (tool, body) = &calls[number as usize % calls.len()];
                let mut times = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match call(&client, &url, tool, body).await {
                        Ok(()) => times.push(began.elapsed().as_micros()),
                        Err(why) => {
                            if failures.fetch_add(1, Ordering::Relaxed) == 0 {
                                println!("first error: {why}");
                            }
                        }
                    }
                }
                (*tool == "errors", times)
            })
        })
        .collect();
    for step in 0..6 {
        tokio::time::sleep(Duration::from_millis(seconds * 1000 / 6)).await;
        println!("after {} s: {} MiB", (step + 1) * seconds / 6, resident(child.id()));
    }
    over.store(true, Ordering::Relaxed);
    let (mut of_errors, mut of_read) = (Vec::new(), Vec::new());
    for one in running {
        let (is_errors, times) = one.await.expect("a client");
        if is_errors { of_errors.extend(times) } else { of_read.extend(times) }
    }
    println!("{clients} clients, {} errors", failures.load(Ordering::Relaxed));
    told("errors", of_errors);
    if !of_read.is_empty() {
        told("read", of_read);
    }
    child.kill().expect("it ends");
    let _ = child.wait();
}
