#!/bin/sh
# Makes this night's RayJob, waits until it is over, and exits as the refresh did. Started again, it
# goes on waiting for a RayJob that still runs, and makes a new one in place of a finished one.
# JOB_NAME is the Kubernetes Job's, so that each night has a RayJob of its own.
set -u
status() { kubectl get rayjob "$JOB_NAME" --ignore-not-found -o "jsonpath={.status.$1}"; }

case "$(status jobDeploymentStatus)" in
    Complete | Failed | ValidationFailed) kubectl delete rayjob "$JOB_NAME" || exit 75 ;;
esac
if [ -z "$(kubectl get rayjob "$JOB_NAME" --ignore-not-found -o name)" ]; then
    sed "s/^  name: stillhouse-refresh$/  name: $JOB_NAME/" /nightly/rayjob.yaml |
        kubectl create -f - || exit 75
fi
while :; do
    case "$(status jobDeploymentStatus)" in
        Complete | Failed) break ;;
        ValidationFailed) echo "KubeRay refuses it: $(status message)" >&2; exit 1 ;;
    esac
    sleep "${POLL_SECONDS:-30}"
done
message=$(status message)
echo "$JOB_NAME: $(status jobStatus): $message"
case "$(status jobStatus)" in
    SUCCEEDED) exit 0 ;;
    STOPPED) exit 1 ;; # by somebody, who would not want it back in ten seconds
esac
# Ray says "Job entrypoint command failed with exit code 3, last available logs …". Without that the
# refresh never ended by itself (a lost head, no nodes): again.
code=$(printf %s "$message" | sed -n '1s/.*command failed with exit code \([0-9]*\).*/\1/p')
exit "${code:-75}"
