#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT GPUS [flags of test.py]; for several machines set NNODES,
# NODE_RANK, MASTER_ADDR and PORT. PYTHON names the interpreter (default: python).
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $0 CONFIG CHECKPOINT GPUS [flags of test.py]" >&2; exit 1; }
config=$1 checkpoint=$2 gpus=$3
shift 3
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" --nproc_per_node="$gpus" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
