#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [flags of train.py]; for several machines set NNODES, NODE_RANK,
# MASTER_ADDR and PORT. PYTHON names the interpreter (default: python).
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 CONFIG GPUS [flags of train.py]" >&2; exit 1; }
config=$1 gpus=$2
shift 2
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" --nproc_per_node="$gpus" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
