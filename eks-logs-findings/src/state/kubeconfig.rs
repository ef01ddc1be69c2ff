//! kubelet/kubeconfig.yaml: how kubelet reaches and asks the API server. Tokens, keys and passwords are not kept, only that they are there.

use super::document::{self, Node};
use super::{Parsed, Span};

/// A value and its line.
pub type Cited = (Span, String);

/// What a kubeconfig says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubeconfig {
    /// The URL of the API server.
    pub server: Option<Cited>,
    /// The path of its CA certificate.
    pub certificate_authority: Option<Cited>,
    /// True when the CA stands in the file itself.
    pub has_inline_authority: bool,
    /// The command that gets a token.
    pub command: Option<Cited>,
    /// Its arguments, in order.
    pub arguments: Vec<Cited>,
    /// Kinds of credentials that stand in the file: `token`, `client-certificate`, `client-key-data`, `password`.
    pub credentials: Vec<String>,
}

impl Kubeconfig {
    /// The name of the cluster for which a token is asked: what follows `-i`, `--cluster-id` or `--cluster-name`.
    pub fn cluster_name(&self) -> Option<&Cited> {
        let flag = |argument: &Cited| matches!(argument.1.as_str(), "-i" | "--cluster-id" | "--cluster-name");
        self.arguments.get(self.arguments.iter().position(flag)? + 1)
    }
}

fn cited(node: Option<&Node>) -> Option<Cited> {
    node.and_then(|node| Some((node.span, node.scalar()?.to_owned())))
}

/// Reads the file; none when it is empty.
pub fn parse(file: &[u8]) -> Parsed<Option<Kubeconfig>> {
    let document = document::parse(file);
    let mut parsed = Parsed { value: None, problems: document.problems, problem_count: document.problem_count };
    let Some(root) = document.value else { return parsed };
    let (Some(clusters), Some(users)) = (root.at(&["clusters"]), root.at(&["users"])) else {
        parsed.problem(root.span, "neither clusters nor users: not a kubeconfig");
        return parsed;
    };
    let mut config = Kubeconfig::default();
    if let Some(cluster) = clusters.list().first().and_then(|entry| entry.at(&["cluster"])) {
        config.server = cited(cluster.at(&["server"]));
        config.certificate_authority = cited(cluster.at(&["certificate-authority"]));
        config.has_inline_authority = cluster.at(&["certificate-authority-data"]).is_some();
    }
    if let Some(user) = users.list().first().and_then(|entry| entry.at(&["user"])) {
        config.command = cited(user.at(&["exec", "command"]));
        if let Some(arguments) = user.at(&["exec", "args"]) {
            config.arguments = arguments.list().iter().filter_map(|node| cited(Some(node))).collect();
        }
        config.credentials =
            user.entries().map(|(key, _)| key).filter(|key| *key != "exec").map(str::to_owned).collect();
    }
    parsed.value = Some(config);
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(server in "https://[A-Z0-9]{4,32}\\.gr7\\.us-west-2\\.eks\\.amazonaws\\.com", cluster in "[a-zA-Z0-9][a-zA-Z0-9-]{0,20}", quoted in any::<bool>()) {
            let quote = if quoted { "\"" } else { "" };
            let printed = format!("---\napiVersion: v1\nkind: Config\nclusters:\n  - name: kubernetes\n    cluster:\n      certificate-authority: /etc/kubernetes/pki/ca.crt\n      server: {server}\ncurrent-context: kubelet\nusers:\n  - name: kubelet\n    user:\n      exec:\n        apiVersion: client.authentication.k8s.io/v1beta1\n        command: aws\n        args:\n          - {quote}eks{quote}\n          - {quote}get-token{quote}\n          - {quote}--cluster-name{quote}\n          - \"{cluster}\"\n");
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let config = parsed.value.unwrap();
            let (span, name) = config.cluster_name().unwrap();
            prop_assert_eq!(name, &cluster);
            prop_assert_eq!(&printed[span.start as usize..span.end as usize], format!("          - \"{cluster}\""));
            prop_assert_eq!(config.server.unwrap().1, server);
            prop_assert_eq!(config.arguments.len(), 4);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }

    #[test]
    fn secrets_are_not_kept() {
        let parsed = parse(b"clusters:\n- cluster: {server: 'https://x', certificate-authority-data: QUJD}\nusers:\n- user: {token: s3cr3t, client-key-data: S0VZ}\n");
        let config = parsed.value.unwrap();
        assert_eq!(config.credentials, ["client-key-data", "token"]);
        assert!(config.has_inline_authority && !format!("{config:?}").contains("s3cr3t"));
        assert_eq!(parse(b"{\"a\": 1}").problem_count, 1);
    }

    #[test]
    fn arguments_of_the_old_bootstrap() {
        let parsed = parse(b"clusters:\n- cluster:\n    server: https://ABCD.sk1.eu-west-1.eks.amazonaws.com\nusers:\n- name: kubelet\n  user:\n    exec:\n      args:\n      - token\n      - -i\n      - --enable-docker-bridge\n      command: /usr/bin/aws-iam-authenticator\n      env: null\n");
        let config = parsed.value.unwrap();
        let (span, name) = config.cluster_name().unwrap();
        assert_eq!((name.as_str(), span.line), ("--enable-docker-bridge", 11));
    }
}
