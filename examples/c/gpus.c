/*
 * The GPUs in C: what they are, how they reach each other, what they did for three seconds, and how healthy they are.
 *
 * It asks this machine's driver, or a simulated or recorded node that is named:
 *
 *     cargo build --release -p nacp-ffi
 *     mkdir -p target/c && ln -sf ../release/libnacp.so target/c/libnacp.so.0
 *     gcc -std=c11 -O2 examples/c/gpus.c -I nacp-ffi/include -o target/c/gpus \
 *         -L target/release -lnacp -Wl,-rpath,'$ORIGIN'
 *     target/c/gpus [simulated:h100x8 | replay:FILE]
 */

#include <nacp.h>

#include <stdio.h>
#include <string.h>

static int failed(const char *what, const nacp_error *error) {
    fprintf(stderr, "%s: %s\n", what, error->message);
    return 1;
}

/* What each GPU is. A field whose bit is not set in `known` means nothing, so it is not printed. */
static int inventory(const nacp_node *node) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_node_info origin = NACP_NODE_INFO_INIT;
    if (nacp_node_describe(node, &origin, &error) != NACP_OK) {
        return failed("describe", &error);
    }
    printf("%s: %s, driver %s\n\n", origin.simulated ? "simulated" : "real", origin.name,
           (origin.known & NACP_NODE_DRIVER) ? origin.driver : "unknown");
    for (size_t index = 0; index < nacp_node_gpu_count(node); index++) {
        nacp_gpu gpu = NACP_GPU_INIT;
        nacp_gpu_info info = NACP_GPU_INFO_INIT;
        if (nacp_node_gpu_at(node, index, &gpu, &error) != NACP_OK ||
            nacp_node_gpu_info_at(node, index, &info, &error) != NACP_OK) {
            return failed("gpu", &error);
        }
        printf("%zu  %s  %s", index, gpu.uuid, gpu.name);
        if (gpu.known & NACP_GPU_MEMORY_TOTAL) {
            printf("  %.1f GiB", (double)gpu.memory_total / (1 << 30));
        }
        if (info.known & NACP_INFO_ARCHITECTURE) {
            printf("  %s", info.architecture);
        }
        printf("  %zu programs, %zu partitions\n", nacp_node_process_count(node, index),
               nacp_node_mig_count(node, index));
    }
    return 0;
}

static int topology(const nacp_node *node) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_string text = {0};
    if (nacp_node_topology_text(node, &text, &error) != NACP_OK) {
        return failed("topology", &error);
    }
    printf("\n%s\n", text.data);
    nacp_string_free(&text);
    return 0;
}

/* A thread of the library reads the GPUs; this one is told, and asks for the figures at the end. */
static int three_seconds(const nacp_node *node) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_telemetry *telemetry = NULL;
    nacp_subscription *subscription = NULL;
    nacp_update update = NACP_UPDATE_INIT;
    int result = 0;
    int64_t begun = 0;
    if (nacp_telemetry_start(node, NULL, &telemetry, &error) != NACP_OK ||
        nacp_telemetry_subscribe(telemetry, &subscription, &error) != NACP_OK) {
        result = failed("telemetry", &error);
    }
    while (result == 0 && (begun == 0 || update.at_ms < begun + 3000)) {
        if (nacp_subscription_next(subscription, 10000, &update, &error) != NACP_OK) {
            result = failed("next", &error);
        } else if (update.kind == NACP_UPDATE_SAMPLES && begun == 0) {
            begun = update.at_ms;
        } else if (update.kind == NACP_UPDATE_EVENT || update.kind == NACP_UPDATE_ERROR) {
            puts(update.text);
        } else if (update.kind == NACP_UPDATE_LAGGED) {
            printf("%llu updates were lost\n", (unsigned long long)update.lost);
        } else if (update.kind == NACP_UPDATE_ENDED) {
            break;
        }
    }
    if (result == 0) {
        puts("three seconds   mean W    p99 W   hottest");
    }
    for (size_t index = 0; result == 0 && index < nacp_node_gpu_count(node); index++) {
        nacp_window power = NACP_WINDOW_INIT;
        nacp_window heat = NACP_WINDOW_INIT;
        if (nacp_telemetry_window(telemetry, index, NACP_METRIC_POWER, 3000, &power, &error) != NACP_OK ||
            nacp_telemetry_window(telemetry, index, NACP_METRIC_TEMPERATURE, 3000, &heat, &error) != NACP_OK) {
            result = failed("window", &error);
        } else if ((power.known & NACP_WINDOW_VALUES) && (heat.known & NACP_WINDOW_VALUES)) {
            printf("GPU %-8zu  %8.1f  %8.1f  %5.0f %s\n", index, power.mean, power.p99, heat.max,
                   nacp_metric_unit(NACP_METRIC_TEMPERATURE));
        } else {
            printf("GPU %-8zu  not told\n", index);
        }
    }
    nacp_subscription_free(subscription);
    nacp_telemetry_free(telemetry);
    return result;
}

static int health(const nacp_node *node) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_health *health = NULL;
    if (nacp_node_health(node, NULL, &health, &error) != NACP_OK) {
        return failed("health", &error);
    }
    printf("\n%s\n", nacp_health_summary(health));
    int result = 0;
    for (size_t index = 0; result == 0 && index < nacp_health_condition_count(health); index++) {
        nacp_condition condition = NACP_CONDITION_INIT;
        if (nacp_health_condition_at(health, index, &condition, &error) != NACP_OK) {
            result = failed("condition", &error);
        } else {
            printf("%s  %s: %s; %s\n", condition.gpu != NULL ? condition.gpu : "machine", condition.name,
                   condition.message, condition.action_text);
        }
    }
    nacp_health_free(health);
    return result;
}

int main(int count, char **arguments) {
    if (nacp_probe_answer()) {
        return 0;
    }
    if (count > 2 || (count == 2 && strchr(arguments[1], ':') == NULL)) {
        fprintf(stderr, "usage: %s [simulated:NAME | replay:FILE]\n", arguments[0]);
        return 2;
    }
    nacp_error error = NACP_ERROR_INIT;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    nacp_ctx *ctx = NULL;
    nacp_node *node = NULL;
    options.node = count == 2 ? arguments[1] : NULL;
    /* The driver's library can crash or hang who opens it: a child process goes first. */
    options.guard = count == 2 ? NULL : "self";
    if (nacp_ctx_new(&options, &ctx, &error) != NACP_OK) {
        return failed("context", &error);
    }
    int result = nacp_discover(ctx, &node, &error) != NACP_OK ? failed("discover", &error) : 0;
    result = result || inventory(node);
    result = result || topology(node);
    result = result || three_seconds(node);
    result = result || health(node);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
    return result;
}
