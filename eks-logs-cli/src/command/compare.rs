//! `eks-logs compare-nodes`

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use eks_logs_core::Located;
use eks_logs_tools::{Bundles, Code, CompareFields, CompareRequest, Context, Failure, compare_bundles, open_local};
use futures_lite::future::block_on;

use super::{OK, answer, listening};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Compare {
    /// Archives or directories, 2 to 10
    #[arg(value_name = "BUNDLE", required_unless_present = "store")]
    bundles: Vec<PathBuf>,

    /// A directory of many bundles, in the place of BUNDLE
    #[arg(long, value_name = "DIR", conflicts_with = "bundles", requires = "instance_ids")]
    store: Option<PathBuf>,

    /// The nodes whose newest bundles of the store are compared: i-...,i-...
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "store")]
    instance_ids: Vec<String>,

    /// What is compared
    #[arg(long, value_enum, default_value_t = What::All)]
    compare_fields: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Errors,
    Config,
    All,
}

impl Compare {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let fields = match self.compare_fields {
            What::Errors => CompareFields::Errors,
            What::Config => CompareFields::Config,
            What::All => CompareFields::All,
        };
        let answer = match &self.store {
            Some(store) => {
                let context = prepared(args, Bundles::Directory(store.clone()));
                let request = CompareRequest { instance_ids: self.instance_ids.clone(), compare_fields: fields };
                answer(&context, &request)?
            }
            None => {
                let named = named(&self.bundles)?;
                let Some((_, first)) = named.first() else {
                    return Err(Failure::new(Code::BadArgument, "no bundle is named", "name 2 to 10 bundles"));
                };
                let context = prepared(args, Bundles::One(first.clone()));
                listening(|call| block_on(compare_bundles(&context, &named, fields, call)))?
            }
        };
        print(args, &answer, human::compare)?;
        Ok(OK)
    }
}

fn prepared(args: &Args, bundles: Bundles) -> Context {
    let mut context = Context::new(bundles);
    if let Some(threads) = args.threads {
        context.threads = threads.into();
    }
    context
}

/// The bundles by their nodes; where that does not tell them apart, by their collections, and then by their paths.
fn named(paths: &[PathBuf]) -> Result<Vec<(String, Located)>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        found.push((path.display().to_string(), block_on(open_local(path))?));
    }
    for name in [node, collection] {
        let named: Option<Vec<String>> = found.iter().map(|(_, located)| name(located)).collect();
        let Some(named) = named else { continue };
        let mut distinct = named.clone();
        distinct.sort();
        distinct.dedup();
        if distinct.len() == found.len() {
            return Ok(named.into_iter().zip(found).map(|(name, (_, located))| (name, located)).collect());
        }
    }
    Ok(found)
}

fn node(located: &Located) -> Option<String> {
    located.name.as_ref()?.instance.as_ref().map(ToString::to_string)
}

fn collection(located: &Located) -> Option<String> {
    located.name.as_ref().map(|name| name.bundle_id())
}
