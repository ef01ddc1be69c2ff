//! A fake of SSM Automation to go through a collection on a laptop, without an account: the AWS CLI, boto3 and `eks-logs` can talk to it.
//!
//! ```text
//! python3 .ci/services.py cargo run -p eks-logs-aws --features testing --example fake_ssm -- --listen 127.0.0.1:4577
//! ```
//!
//! Then, in another shell, what it prints. Everything that is not SSM Automation goes to moto; collections are uploaded to SeaweedFS.
//! `curl -X PUT http://127.0.0.1:4577/_fake/nodes/i-... -d '{"ping": "ConnectionLost"}'` takes a node's agent off;
//! `-d '{"fails": {"step": "uploadLogs", "message": "AccessDenied when calling PutObject"}}'` makes its collections fail.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use eks_logs_aws::testing::{FakeOptions, FakeSsm, sdk_config, servers};

const USAGE: &str = "fake_ssm [--listen 127.0.0.1:4577] [--bundle ARCHIVE] [--step-seconds 3] [--bucket eks-logs]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sample =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz");
    let (mut listen, mut bundle, mut step, mut bucket) =
        ("127.0.0.1:4577".to_owned(), sample.to_owned(), 3, "eks-logs".to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--listen" => listen = value,
            "--bundle" => bundle = value,
            "--step-seconds" => step = value.parse()?,
            "--bucket" => bucket = value,
            _ => return Err(USAGE.into()),
        }
    }
    let Some(servers) = servers("fake_ssm") else { return Err("run it through .ci/services.py".into()) };
    let mut options = FakeOptions::before(&servers.moto);
    let uploads = sdk_config(&servers.s3, "us-east-1");
    options.listen = listen;
    options.bundle = std::fs::read(bundle)?.into();
    options.step = Duration::from_secs(step);
    options.uploads = Some(uploads.clone());
    let plain = aws_sdk_s3::config::Builder::from(&uploads).force_path_style(true).build();
    match aws_sdk_s3::Client::from_conf(plain).create_bucket().bucket(&bucket).send().await {
        // .ci/services.py has another fake beside this one.
        Err(why) if why.as_service_error().is_some_and(CreateBucketError::is_bucket_already_owned_by_you) => {}
        other => drop(other?),
    }
    let fake = FakeSsm::start(options).await;
    println!("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=testsecret");
    // Version 1 of the AWS CLI reads the second only.
    println!("export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1");
    println!("export AWS_ENDPOINT_URL={} AWS_ENDPOINT_URL_S3={}", fake.url(), servers.s3);
    println!("node=$(aws ec2 run-instances --image-id ami-1e749f67 --query 'Instances[0].InstanceId' --output text)");
    println!("eks-logs collect $node --store s3://{bucket} --wait");
    println!("aws ssm describe-automation-executions");
    // It ends with the shell that started it.
    std::future::pending::<()>().await;
    Ok(())
}
