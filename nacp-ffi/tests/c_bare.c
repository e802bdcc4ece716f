/* A machine with neither driver nor Docker: the library loads, a context is made, and each thing that is missing is a
 * clear error only when it is needed. */

#define _POSIX_C_SOURCE 200809L

#include "nacp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_DRIVER                                                                                                      \
    "no NVIDIA management library on this machine: library=libnvidia-ml.so.1 cause=absent; install the NVIDIA driver " \
    "(under WSL2: the Windows driver only)"
#define NO_ENGINE                                                                                                      \
    "no container engine's socket is there: host=unix:///nowhere/docker.sock; install and start Docker Engine or "     \
    "Podman, or set DOCKER_HOST"

static int failures;
static nacp_error error = NACP_ERROR_INIT;

static void expect(nacp_status has, nacp_status wants, const char *message, int line) {
    if (has != wants || error.status != wants || strcmp(error.message, message) != 0) {
        failures++;
        fprintf(stderr, "line %d: %s\n  has   `%s`\n  wants `%s`\n", line, nacp_status_name(has), error.message,
                message);
    }
}

#define EXPECT(call, wants, message) expect((call), (wants), (message), __LINE__)
#define TRUE(condition)                                                                                                \
    (condition ? (void)0 : (void)(failures++, fprintf(stderr, "line %d: " #condition "\n", __LINE__)))

static nacp_ctx *context(const char *engine) {
    nacp_ctx *ctx = NULL;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.engine = engine;
    EXPECT(nacp_ctx_new(&options, &ctx, &error), NACP_OK, "");
    return ctx;
}

int main(void) {
    nacp_node *node = NULL;
    nacp_ctx *ctx = context("docker");
    nacp_status found = nacp_discover(ctx, &node, &error);
    if (found == NACP_OK) {
        puts("SKIP: this machine has an NVIDIA driver");
        nacp_node_free(node);
        nacp_ctx_free(ctx);
        return 0;
    }
    expect(found, NACP_E_DRIVER_UNAVAILABLE, NO_DRIVER, __LINE__);
    nacp_router *router = NULL;
    nacp_gateway *gateway = NULL;
    nacp_engine_info info = NACP_ENGINE_INFO_INIT;
    EXPECT(nacp_engine_describe(ctx, &info, &error), NACP_E_ENGINE_UNAVAILABLE, NO_ENGINE);
    EXPECT(nacp_router_new(ctx, &router, &error), NACP_E_ENGINE_UNAVAILABLE, NO_ENGINE);
    EXPECT(nacp_gateway_start(ctx, NULL, &gateway, &error), NACP_E_ENGINE_UNAVAILABLE, NO_ENGINE);
    EXPECT(nacp_delete(ctx, "bare", NULL, &error), NACP_E_ENGINE_UNAVAILABLE, NO_ENGINE);
    TRUE(router == NULL && gateway == NULL);
    nacp_ctx_free(ctx);

    ctx = context("simulated");
    size_t removed = 0;
    nacp_string text = {0};
    const char *with = "{name: bare, services: {llm: {image: x, port: 80, gpu: {memory: 1GiB}}}}";
    const char *without = "{name: bare, services: {llm: {image: x, port: 80}}}";
    EXPECT(nacp_apply(ctx, with, 0, NULL, &error), NACP_E_DRIVER_UNAVAILABLE, NO_DRIVER);
    EXPECT(nacp_apply(ctx, without, 0, NULL, &error), NACP_OK, "");
    EXPECT(nacp_metrics_text(ctx, &text, &error), NACP_OK, "");
    TRUE(strstr(text.data, "bare") != NULL && strstr(text.data, "DCGM_FI_DEV_GPU_TEMP{") == NULL);
    nacp_string_free(&text);
    EXPECT(nacp_delete(ctx, "bare", &removed, &error), NACP_OK, "");
    TRUE(removed == 1);
    nacp_ctx_free(ctx);
    printf("%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
