/* What a C program learns of an app that it keeps, and what it may say. */

#include "checks.h"

static const char *const APP = "{name: kept, services: {llm: {image: x, model: m, port: 80, gpu: {memory: 1GiB}}}}";

/* The next event of a kind, skipping others. */
static nacp_app_event await(nacp_kept *kept, uint32_t kind) {
    nacp_app_event event = NACP_APP_EVENT_INIT;
    for (int tries = 0; tries < 1000; tries++) {
        error = fresh;
        if (nacp_kept_next(kept, 30000, &event, &error) != NACP_OK || event.kind == kind) {
            break;
        }
    }
    CHECK(event.kind == kind);
    CHECK_TEXT(event.app, "kept");
    return event;
}

static size_t running(const nacp_ctx *ctx) {
    nacp_replicas *replicas = NULL;
    WORKS(nacp_replicas_of(ctx, "kept", &replicas, &error));
    size_t count = nacp_replicas_count(replicas);
    nacp_replicas_free(replicas);
    return count;
}

static void misuse(const nacp_ctx *ctx, nacp_kept *kept) {
    nacp_app_event event = NACP_APP_EVENT_INIT;
    nacp_string json = {0};
    nacp_kept *none = NULL;
    IS_NULL(nacp_keep(NULL, APP, &none, &error), "ctx");
    IS_NULL(nacp_keep(ctx, NULL, &none, &error), "app");
    IS_NULL(nacp_keep(ctx, APP, NULL, &error), "kept");
    CHECK(nacp_keep(ctx, "{name: kept}", &none, &error) == NACP_E_INVALID_ARGUMENT && none == NULL);
    IS_NULL(nacp_kept_next(NULL, 0, &event, &error), "kept");
    IS_NULL(nacp_kept_next(kept, 0, NULL, &error), "event");
    IS_NULL(nacp_kept_event_json(kept, NULL, &error), "event_json");
    FAILS(nacp_kept_event_json(kept, &json, &error), NACP_E_NOT_FOUND, "nothing has been told of this app yet");
    IS_NULL(nacp_kept_update(kept, NULL, &error), "app");
    IS_NULL(nacp_kept_scale(kept, NULL, 1, &error), "service");
    CHECK(nacp_kept_scale(kept, "lm", 1, &error) == NACP_E_NOT_FOUND);
    CHECK(strstr(error.message, "did you mean") != NULL);
    CHECK(nacp_kept_drain(kept, "lm", 1, &error) == NACP_E_NOT_FOUND);
    IS_NULL(nacp_kept_cordon(kept, NULL, "why", &error), "gpu");
    CHECK(nacp_kept_cordon(kept, "0", "why", &error) == NACP_E_INVALID_ARGUMENT);
    IS_NULL(nacp_kept_pause(NULL, 1, &error), "kept");
    event.struct_size = 8;
    CHECK(nacp_kept_next(kept, 0, &event, &error) == NACP_E_INVALID_ARGUMENT);
    nacp_kept_free(NULL);
}

int main(void) {
    nacp_ctx *ctx = context("simulated:h100x8");
    nacp_kept *kept = NULL, *second = NULL;
    WORKS(nacp_keep(ctx, APP, &kept, &error));
    misuse(ctx, kept);
    error = fresh;

    nacp_app_event ready = await(kept, NACP_APP_EVENT_READY);
    CHECK_TEXT(ready.service, "llm");
    CHECK(ready.replica == 0 && ready.seconds >= 0 && ready.at_ms > 0);
    CHECK(strstr(ready.text, "ready") != NULL);
    nacp_string json = {0};
    WORKS(nacp_kept_event_json(kept, &json, &error));
    CHECK(strstr(json.data, "\"event\":\"ready\"") != NULL);
    nacp_string_free(&json);
    await(kept, NACP_APP_EVENT_CONVERGED);

    WORKS(nacp_kept_scale(kept, "llm", 2, &error));
    await(kept, NACP_APP_EVENT_CONVERGED);
    CHECK(running(ctx) == 2);
    WORKS(nacp_kept_pause(kept, 1, &error));
    WORKS(nacp_kept_scale(kept, "llm", 1, &error));
    WORKS(nacp_kept_pause(kept, 0, &error));
    await(kept, NACP_APP_EVENT_CONVERGED);
    CHECK(running(ctx) == 1);

    /* One at a time. */
    WORKS(nacp_keep(ctx, APP, &second, &error));
    await(second, NACP_APP_EVENT_STANDBY);
    nacp_kept_free(second);

    WORKS(nacp_kept_update(kept, "{name: kept, services: {llm: {image: y, port: 80}}}", &error));
    await(kept, NACP_APP_EVENT_CONVERGED);
    nacp_kept_free(kept);
    CHECK(running(ctx) == 1);
    size_t removed = 0;
    WORKS(nacp_delete(ctx, "kept", &removed, &error));
    CHECK(removed == 1);
    nacp_ctx_free(ctx);
    return report();
}
