/* An app that is kept: it comes up, grows, and takes back an update that does not become ready. No container engine is
 * needed:
 *
 *     cargo build --release -p nacp-ffi
 *     cc -Inacp-ffi/include examples/c/keep.c -o keep -Ltarget/release -lnacp -Wl,-rpath,"$PWD/target/release"
 */

#include "nacp.h"

#include <stdio.h>

#define APP(env)                                                                                                       \
    "{name: keep-c, services: {chat: {image: 'example/chat:1', port: 8000, env: {" env "}, "                           \
    "ready: {http: /healthz, within: 5s, every: 500ms}}}}"

static int failed(const char *what, const nacp_error *error) {
    fprintf(stderr, "keep: %s: %s\n", what, error->message);
    return 1;
}

/* Prints what happens until it comes to this. */
static int until(nacp_kept *kept, uint32_t wanted) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_app_event event = NACP_APP_EVENT_INIT;
    do {
        if (nacp_kept_next(kept, 60000, &event, &error) != NACP_OK) {
            return failed("wait", &error);
        }
        puts(event.text);
    } while (event.kind != wanted);
    return 0;
}

static int story(nacp_kept *kept) {
    nacp_error error = NACP_ERROR_INIT;
    if (until(kept, NACP_APP_EVENT_CONVERGED) != 0) {
        return 1;
    }
    puts("-- two replicas");
    if (nacp_kept_scale(kept, "chat", 2, &error) != NACP_OK) {
        return failed("scale", &error);
    }
    if (until(kept, NACP_APP_EVENT_CONVERGED) != 0) {
        return 1;
    }
    puts("-- an update that never becomes ready");
    if (nacp_kept_update(kept, APP("NACP_SIM_UNHEALTHY: '1'"), &error) != NACP_OK) {
        return failed("update", &error);
    }
    return until(kept, NACP_APP_EVENT_ROLLED_BACK) != 0 || until(kept, NACP_APP_EVENT_CONVERGED) != 0;
}

int main(void) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = "simulated:rtx3050ti-laptop-wsl2";
    options.engine = "simulated";
    nacp_ctx *ctx = NULL;
    nacp_kept *kept = NULL;
    size_t removed = 0;
    if (nacp_ctx_new(&options, &ctx, &error) != NACP_OK) {
        return failed("start", &error);
    }
    int result = nacp_keep(ctx, APP(""), &kept, &error) == NACP_OK ? story(kept) : failed("keep", &error);
    nacp_kept_free(kept);
    if (nacp_delete(ctx, "keep-c", &removed, &error) != NACP_OK) {
        result = failed("delete", &error);
    }
    printf("removed: %zu\n", removed);
    nacp_ctx_free(ctx);
    return result;
}
