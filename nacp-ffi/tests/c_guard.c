/* A program that is its own guard: it looks for GPUs, and says what came of it.
 *
 *     c_guard [GUARD LIMIT_MS]
 */

#include "nacp.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    if (nacp_probe_answer()) {
        return 0;
    }
    nacp_error error = NACP_ERROR_INIT;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    nacp_ctx *ctx = NULL;
    nacp_node *node = NULL;
    options.engine = "simulated";
    options.guard = count > 1 ? arguments[1] : "self";
    options.guard_limit_ms = count > 2 ? (uint32_t)atoi(arguments[2]) : 0;
    if (nacp_ctx_new(&options, &ctx, &error) != NACP_OK) {
        printf("context: %s\n", error.message);
        return 1;
    }
    nacp_status status = nacp_discover(ctx, &node, &error);
    printf("%s: %s\n", nacp_status_name(status), error.message);
    printf("%zu GPUs\n", nacp_node_gpu_count(node));

    /* For the health, a driver that crashes or hangs is a condition like any other. */
    nacp_health *health = NULL;
    if (nacp_ctx_health(ctx, NULL, &health, &error) != NACP_OK) {
        printf("health: %s\n", error.message);
        return 1;
    }
    puts(nacp_health_summary(health));
    nacp_health_free(health);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
    return 0;
}
