/* A context in a forked child: a clear error, nothing hangs, and a new context works. */

#define _POSIX_C_SOURCE 200809L

#include "nacp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static nacp_ctx *context(void) {
    nacp_ctx *ctx = NULL;
    nacp_error error = NACP_ERROR_INIT;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = "simulated:h100x8";
    options.engine = "simulated";
    if (nacp_ctx_new(&options, &ctx, &error) != NACP_OK) {
        fprintf(stderr, "%s\n", error.message);
    }
    return ctx;
}

/* What reads the GPUs by itself: its threads are not in the child, and a lock may be held there for ever. */
struct watch {
    nacp_telemetry *telemetry;
    nacp_subscription *subscription;
    nacp_recording *recording;
    nacp_events *events;
    nacp_monitor *monitor;
};

static int watch_in_child(struct watch *watch) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_value value = NACP_VALUE_INIT;
    nacp_window window = NACP_WINDOW_INIT;
    nacp_update update = NACP_UPDATE_INIT;
    nacp_event event = NACP_EVENT_INIT;
    nacp_telemetry_status status = NACP_TELEMETRY_STATUS_INIT;
    nacp_subscription *subscription = NULL;
    nacp_string json = {0};
    size_t count = 0;
    const nacp_status answers[] = {
        nacp_telemetry_value(watch->telemetry, 0, NACP_METRIC_POWER, &value, &error),
        nacp_telemetry_window(watch->telemetry, 0, NACP_METRIC_POWER, 1000, &window, &error),
        nacp_telemetry_energy(watch->telemetry, 0, 1000, &value, NULL, &error),
        nacp_telemetry_history(watch->telemetry, 0, NACP_METRIC_POWER, 0, 0, NULL, NULL, &count, &error),
        nacp_telemetry_describe(watch->telemetry, &status, &error),
        nacp_telemetry_snapshot_json(watch->telemetry, &json, &error),
        nacp_telemetry_subscribe(watch->telemetry, &subscription, &error),
        nacp_subscription_next(watch->subscription, 60000, &update, &error),
        nacp_recording_finish(watch->recording, NULL, &error),
        nacp_events_next(watch->events, 60000, &event, &error),
        nacp_monitor_look(watch->monitor, NULL, &error),
    };
    for (size_t each = 0; each < sizeof answers / sizeof *answers; each++) {
        if (answers[each] != NACP_E_UNSUPPORTED) {
            return 20 + (int)each;
        }
    }
    nacp_recording_free(watch->recording);
    nacp_subscription_free(watch->subscription);
    nacp_telemetry_free(watch->telemetry);
    nacp_events_free(watch->events);
    nacp_monitor_free(watch->monitor);
    return 0;
}

static int child(nacp_ctx *ctx, nacp_node *node, nacp_gateway *gateway) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_node *found = NULL;
    if (nacp_discover(ctx, &found, &error) != NACP_E_UNSUPPORTED) {
        return 10;
    }
    if (strncmp(error.message, "the context does not survive a fork: made_by=", 45) != 0 ||
        strstr(error.message, "; make a new context in the child") == NULL) {
        return 11;
    }
    if (nacp_node_refresh(node, &error) != NACP_E_UNSUPPORTED || nacp_node_gpu_count(node) != 8) {
        return 12;
    }
    if (nacp_gateway_stop(gateway, &error) != NACP_E_UNSUPPORTED) {
        return 13;
    }
    nacp_gateway_free(gateway);
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    nacp_ctx *own = context();
    if (own == NULL || nacp_discover(own, &found, &error) != NACP_OK) {
        return 14;
    }
    nacp_node_free(found);
    nacp_ctx_free(own);
    return 0;
}

int main(void) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_ctx *ctx = context();
    nacp_node *node = NULL;
    nacp_gateway *gateway = NULL;
    if (nacp_discover(ctx, &node, &error) != NACP_OK || nacp_gateway_start(ctx, NULL, &gateway, &error) != NACP_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    struct watch watch = {0};
    char file[] = "/tmp/nacp-fork-XXXXXX";
    char path[sizeof file + 8];
    if (mkdtemp(file) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/a.zst", file);
    if (nacp_telemetry_start(node, NULL, &watch.telemetry, &error) != NACP_OK ||
        nacp_telemetry_subscribe(watch.telemetry, &watch.subscription, &error) != NACP_OK ||
        nacp_telemetry_record(watch.telemetry, path, NULL, &watch.recording, &error) != NACP_OK ||
        nacp_events_open(node, &watch.events, &error) != NACP_OK ||
        nacp_monitor_new(node, NULL, NULL, &watch.monitor, &error) != NACP_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        int failed = watch_in_child(&watch);
        _exit(failed != 0 ? failed : child(ctx, node, gateway));
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        fprintf(stderr, "the child did not end by itself: %d\n", status);
        return 1;
    }
    if (WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the child failed at step %d\n", WEXITSTATUS(status));
        return 1;
    }
    /* The parent goes on as before. */
    if (nacp_node_refresh(node, &error) != NACP_OK || nacp_gateway_stop(gateway, &error) != NACP_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    nacp_value value = NACP_VALUE_INIT;
    if (nacp_telemetry_value(watch.telemetry, 0, NACP_METRIC_POWER, &value, &error) != NACP_OK ||
        nacp_recording_finish(watch.recording, NULL, &error) != NACP_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    nacp_recording_free(watch.recording);
    nacp_subscription_free(watch.subscription);
    nacp_telemetry_free(watch.telemetry);
    nacp_events_free(watch.events);
    nacp_monitor_free(watch.monitor);
    unlink(path);
    rmdir(file);
    nacp_gateway_free(gateway);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
    puts("parent and child are well");
    return 0;
}
