/* A context in a forked child: a clear error, nothing hangs, and a new context works. */

#define _POSIX_C_SOURCE 200809L

#include "nacp.h"

#include <stdio.h>
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
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        _exit(child(ctx, node, gateway));
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
    nacp_gateway_free(gateway);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
    puts("parent and child are well");
    return 0;
}
