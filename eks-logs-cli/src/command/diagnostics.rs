//! `eks-logs network-diagnostics` and `eks-logs node-diagnostics`

use clap::Args as ClapArgs;
use eks_logs_tools::{Failure, NetworkDiagnosticsRequest, NodeDiagnosticsRequest};

use super::{OK, Reading, Target, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkDiagnostics {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    reading: Reading,

    /// A comma list of iptables, cni, routes, dns, eni, ipamd, conntrack, kube-proxy, network-policy, api-server, or all
    #[arg(long, value_name = "LIST", default_value = "all")]
    sections: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NodeDiagnostics {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    reading: Reading,

    /// A comma list of storage, memory, cpu, processes, services, kubelet, containerd, versions, sysctl, reboots, time, gpu, or all
    #[arg(long, value_name = "LIST", default_value = "all")]
    sections: String,
}

impl NetworkDiagnostics {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = self.reading.prepare(args, &self.target)?;
        let request =
            NetworkDiagnosticsRequest { bundle: self.target.selector(), sections: Some(self.sections.clone()) };
        print(args, &answer(&context, &request)?, human::diagnostics)?;
        Ok(OK)
    }
}

impl NodeDiagnostics {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = self.reading.prepare(args, &self.target)?;
        let request = NodeDiagnosticsRequest { bundle: self.target.selector(), sections: Some(self.sections.clone()) };
        print(args, &answer(&context, &request)?, human::diagnostics)?;
        Ok(OK)
    }
}
