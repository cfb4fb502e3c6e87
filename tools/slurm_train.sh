#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [flags of train.py], with GPUS,
# GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS and PYTHON (the interpreter) from the environment.
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [flags of train.py]" >&2
                  exit 1; }
partition=$1 job=$2 config=$3 work_dir=$4
shift 4
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
# SRUN_ARGS is several words
# shellcheck disable=SC2086
exec srun -p "$partition" --job-name="$job" --gres=gpu:"$per_node" --ntasks="$gpus" \
    --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$config" \
    --work-dir "$work_dir" --launcher slurm "$@"
