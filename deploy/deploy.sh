#!/usr/bin/env bash
# Builds the functions, uploads them, deploys the stack, prints and saves what DevOps Agent has to be told.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

usage() {
    cat <<'TEXT'
usage: deploy.sh [options]

  --stack NAME          the stack (default EksLogs)
  --region REGION       where it is deployed (default: AWS_REGION, or the profile's)
  --node-role ARN       a role of nodes that may upload; may be given several times
  --allow-region REGION a region with nodes, besides the stack's own; may be given several times
  --prefix NAME         begins the names of the bucket and of the token domain (default eks-logs)
  --arch ARCH           arm64 (default) or x86_64
  --artifacts BUCKET    a bucket of this region for the functions' zip files
                        (default PREFIX-artifacts-ACCOUNT-REGION, which is made if it is missing)
  --parameter KEY=VALUE another parameter of template.yaml; may be given several times
  --zips DIRECTORY      takes tools.zip and ingest.zip from there instead of building them
  --config FILE         where the values are saved (default eks-logs-config.txt); it holds a secret
  --dry-run             checks everything and says what would be done; changes nothing
  -h, --help            this text
TEXT
}

stack=EksLogs prefix=eks-logs arch=arm64 artifacts='' zips='' config=eks-logs-config.txt dry_run=no
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
node_roles=() regions=() parameters=()

while (($#)); do
    case $1 in
        --dry-run) dry_run=yes ;;
        -h | --help) usage; exit 0 ;;
        --stack | --region | --node-role | --allow-region | --prefix | --arch | --artifacts | --parameter | --zips | --config)
            if (($# < 2)) || [[ $2 == --* ]]; then
                echo "deploy.sh: $1 needs a value; --help tells more" >&2
                exit 2
            fi
            case $1 in
                --stack) stack=$2 ;;
                --region) region=$2 ;;
                --node-role) node_roles+=("$2") ;;
                --allow-region) regions+=("$2") ;;
                --prefix) prefix=$2 ;;
                --arch) arch=$2 ;;
                --artifacts) artifacts=$2 ;;
                --parameter) parameters+=("$2") ;;
                --zips) zips=$2 ;;
                --config) config=$2 ;;
            esac
            shift
            ;;
        *)
            echo "deploy.sh: no option $1; --help tells which there are" >&2
            exit 2
            ;;
    esac
    shift
done

# Everything that is missing is said at once, before anything is built or changed.
missing=()
need() { missing+=("$1"); }

[[ $stack =~ ^[a-zA-Z][a-zA-Z0-9-]{0,50}$ ]] || need "--stack $stack: a letter, then up to 50 letters, digits and hyphens"
[[ $prefix =~ ^[a-z][a-z0-9-]{1,22}[a-z0-9]$ ]] || need "--prefix $prefix: 3 to 24 lower-case letters, digits and hyphens"
case $arch in
    arm64) target=aarch64-unknown-linux-gnu ;;
    x86_64) target=x86_64-unknown-linux-gnu ;;
    *) target=''; need "--arch $arch: arm64 or x86_64" ;;
esac
for role in ${node_roles[@]+"${node_roles[@]}"}; do
    [[ $role =~ ^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+ ]] || need "--node-role $role: a role's ARN, such as arn:aws:iam::123456789012:role/nodes"
done
for parameter in ${parameters[@]+"${parameters[@]}"}; do
    [[ $parameter == ?*=* ]] || need "--parameter $parameter: KEY=VALUE"
done

have() { command -v "$1" >/dev/null 2>&1; }
have aws || need "the AWS CLI, version 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
have python3 || need "python3"
if [[ -n $zips ]]; then
    for name in tools ingest; do
        [[ -f $zips/$name.zip ]] || need "$zips/$name.zip"
    done
else
    if ! have cargo; then
        need "cargo, to build the functions: https://rustup.rs (or --zips DIRECTORY with zip files that are built)"
    elif ! cargo lambda --version >/dev/null 2>&1; then
        need "cargo-lambda, which builds for Lambda's Linux on any machine: pip install cargo-lambda (or --zips DIRECTORY)"
    fi
fi

account='' partition=aws
if have aws; then
    [[ -n $region ]] || region=$(aws configure get region 2>/dev/null || true)
    if identity=$(aws sts get-caller-identity --query '[Account,Arn]' --output text 2>&1); then
        read -r account arn <<<"$identity"
        partition=$(cut -d: -f2 <<<"$arn")
    else
        need "credentials that AWS accepts (aws sts get-caller-identity said: $(tr '\n' ' ' <<<"$identity"))"
    fi
fi
if [[ -z $region ]]; then
    need "a region: --region, or AWS_REGION"
elif ! [[ $region =~ ^[a-z]{2}(-[a-z]+)+-[0-9]+$ ]]; then
    need "--region $region: a region such as eu-central-1"
elif [[ -n $account ]]; then
    # What the stack cannot be without in this region.
    aws ssm describe-document --region "$region" --name AWSSupport-CollectEKSInstanceLogs >/dev/null 2>&1 ||
        printf 'warning: the document AWSSupport-CollectEKSInstanceLogs cannot be seen in %s: collections need it there\n' "$region" >&2
    aws bedrock-agentcore-control list-gateways --region "$region" --max-results 1 >/dev/null 2>&1 ||
        need "AgentCore Gateway in $region, an AWS CLI that knows it (aws bedrock-agentcore-control), and the right to list gateways"
fi
if [[ -n $account ]]; then
    for role in ${node_roles[@]+"${node_roles[@]}"}; do
        [[ $role =~ ^arn:aws[a-z-]*:iam::([0-9]{12}):role/ ]] || continue
        if [[ ${BASH_REMATCH[1]} != "$account" ]]; then
            need "--node-role $role: a role of this account, $account"
        elif ! said=$(aws iam get-role --role-name "${role##*/}" --query Role.Arn --output text 2>&1); then
            need "--node-role $role: the role cannot be seen ($(tr '\n' ' ' <<<"$said"))"
        elif [[ $said != "$role" ]]; then
            need "--node-role $role: the role of that name is $said"
        fi
    done
fi

if ((${#missing[@]})); then
    echo "deploy.sh cannot start. Missing or wrong:" >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 2
fi

artifacts=${artifacts:-$prefix-artifacts-$account-$region}
join() { local IFS=,; echo "$*"; }
allowed=''
if ((${#regions[@]})); then
    allowed=$(join "$region" "${regions[@]}")
fi
arguments=("Architecture=$arch" "NamePrefix=$prefix" "NodeRoleArns=$(join ${node_roles[@]+"${node_roles[@]}"})" "AllowedRegions=$allowed" "CodeBucket=$artifacts"
    ${parameters[@]+"${parameters[@]}"})

echo "stack      $stack in $region, account $account"
echo "functions  $arch, through s3://$artifacts"
echo "bucket     $prefix-logs-$account-$region"
if ((${#node_roles[@]})); then
    printf 'node role  %s\n' "${node_roles[@]}"
else
    echo "node role  none: attach the policy of the output NodeUploadPolicyArn to the roles of your nodes"
fi
[[ -z $allowed ]] || echo "regions    $allowed"

# In a dry run, what would change something is said and not done.
run() {
    if [[ $dry_run == yes ]]; then
        printf 'would run:'
        printf ' %q' "$@"
        printf '\n'
    else
        "$@"
    fi
}

if ! aws s3api head-bucket --bucket "$artifacts" --region "$region" >/dev/null 2>&1; then
    run aws s3 mb "s3://$artifacts" --region "$region"
    run aws s3api put-public-access-block --bucket "$artifacts" --region "$region" --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
fi

if [[ -z $zips ]]; then
    zips=$root/target/lambda/$arch
    # The glibc of Amazon Linux 2023.
    (cd "$root" && run cargo lambda build --release --locked -p eks-logs-lambda --target "$target.2.34" --output-format zip --lambda-dir "$zips")
    if [[ $dry_run == no ]]; then
        for name in tools ingest; do
            cp "$zips/eks-logs-lambda-$name/bootstrap.zip" "$zips/$name.zip"
        done
    fi
fi

for name in tools ingest; do
    if [[ -f $zips/$name.zip ]]; then
        sum=$(python3 -c 'import hashlib,sys; print(hashlib.sha256(open(sys.argv[1],"rb").read()).hexdigest()[:16])' "$zips/$name.zip")
    else
        sum=to-be-built
    fi
    key=eks-logs/$name-$arch-$sum.zip
    run aws s3 cp --only-show-errors --region "$region" "$zips/$name.zip" "s3://$artifacts/$key"
    case $name in
        tools) arguments+=("ToolsCodeKey=$key") ;;
        ingest) arguments+=("IngestCodeKey=$key") ;;
    esac
done

run aws cloudformation deploy --region "$region" --stack-name "$stack" --template-file "$here/template.yaml" \
    --s3-bucket "$artifacts" --s3-prefix eks-logs --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset \
    --parameter-overrides "${arguments[@]}"
if [[ $dry_run == yes ]]; then
    echo "nothing was changed"
    exit 0
fi

outputs=$(aws cloudformation describe-stacks --region "$region" --stack-name "$stack" --query 'Stacks[0].Outputs' --output json)
output() {
    python3 -c 'import json,sys; print(next((o["OutputValue"] for o in json.load(sys.stdin) if o["OutputKey"] == sys.argv[1]), ""))' "$1" <<<"$outputs"
}
pool=$(output CognitoUserPoolId)
client=$(output CognitoClientId)
secret=$(aws cognito-idp describe-user-pool-client --region "$region" --user-pool-id "$pool" --client-id "$client" \
    --query UserPoolClient.ClientSecret --output text)

(
    umask 077
    cat >"$config" <<TEXT
# eks-logs: what DevOps Agent has to be told. Stack $stack, region $region, partition $partition.
MCP_SERVER_URL=$(output GatewayUrl)
OAUTH_CLIENT_ID=$client
OAUTH_CLIENT_SECRET=$secret
TOKEN_URL=$(output OAuthExchangeUrl)
OAUTH_SCOPE=$(output OAuthScope)
LOGS_BUCKET=$(output LogsBucketName)
NODE_UPLOAD_POLICY=$(output NodeUploadPolicyArn)
TEXT
)
chmod 600 "$config"
echo
grep -v -e '^#' -e '^OAUTH_CLIENT_SECRET=' "$config"
echo "saved, with the client's secret, in $config"
