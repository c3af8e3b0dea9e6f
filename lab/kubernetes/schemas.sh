#!/bin/bash
# schemas.sh [FILE ...] - holds manifests against the schemas of newer versions of Kubernetes (1.25 to 1.37), in which
# nothing that is not known is allowed. A file is YAML (more than one document) or JSON (one object, a List, or an array).
# Without a file: the rights in packaging/kubernetes, and the Indexed Job of `offing submit kubernetes` as the golden test of
# the command line has it.
#
# The schemas are those of Kubernetes' own OpenAPI documents, from the package kubernetes-validate of PyPI, which is put
# into a folder of its own in $OFFING_LAB. Exits with 77 and says `skipped: ...` where it cannot be had, with 1 where
# something is not valid.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
root=$PWD/../..
cd "$OLDPWD"
skip() { echo "skipped: kubernetes_schemas ($1)"; exit 77; }
command -v python3 >/dev/null || skip "no python3"
if [ $# = 0 ]; then
    job=$(mktemp --suffix .yaml); trap 'rm -f "$job"' EXIT
    sed '/^\$ offing/d; /^\[standard error\]/,$d' "$root/cli/tests/golden/submit-kubernetes.txt" >"$job"
    set -- "$job" "$root"/packaging/kubernetes/*.yaml
fi
venv=$LAB/kubernetes/schemas
if ! "$venv/bin/python" -c "import kubernetes_validate, yaml" 2>/dev/null; then
    python3 -m venv "$venv" >/dev/null 2>&1 || skip "python3 has no venv"
    "$venv/bin/pip" install --quiet kubernetes-validate==1.37.0 pyyaml >/dev/null 2>&1 ||
        skip "pip cannot install kubernetes-validate"
fi
"$venv/bin/python" - "$@" <<'PY'
import pathlib, re, sys
import kubernetes_validate, yaml

schemas = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
versions = sorted({re.search(r"v(1\.\d+)", path.name)[1] for path in schemas.iterdir()}, key=lambda v: int(v[2:]))
found, wrong = {}, 0
for file in sys.argv[1:]:
    documents = []
    for document in yaml.safe_load_all(open(file)):
        if isinstance(document, dict) and document.get("kind") == "List":
            document = document["items"]
        documents += document if isinstance(document, list) else [document]
    for document in filter(None, documents):
        found[document["kind"]] = found.get(document["kind"], 0) + 1
        for version in versions:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except Exception as cause:
                wrong += 1
                print(f"{file}: {document['kind']} {document['metadata'].get('name')}: {version}: {str(cause).splitlines()[0]}")
if wrong or not found:
    sys.exit(1)
print(f"{', '.join(f'{n} {kind}' for kind, n in sorted(found.items()))}: valid in {versions[0]} to {versions[-1]}")
PY
