/* What a C program meets: every function, every way to misuse it, and the exact words that it reads then. */

#define _POSIX_C_SOURCE 200809L

#include "checks.h"

#include <pthread.h>

static const char APP[] = "name: smoke\n"
                          "services:\n"
                          "  llm:\n"
                          "    image: example/llm:1\n"
                          "    model: tiny\n"
                          "    gpu: { memory: 1GiB }\n"
                          "    port: 8000\n"
                          "    ready: { http: /health, within: 20s }\n"
                          "    env: { NACP_SIM_TTFT_MS: \"1\", NACP_SIM_TOKEN_MS: \"0\" }\n"
                          "    replicas: 2\n";

static void versions(void) {
    CHECK(nacp_abi_version() == NACP_ABI_VERSION);
    CHECK_TEXT(nacp_version_string(), NACP_VERSION);
    CHECK_TEXT(nacp_status_name(NACP_OK), "NACP_OK");
    CHECK_TEXT(nacp_status_name(NACP_E_TIMEOUT), "NACP_E_TIMEOUT");
    CHECK_TEXT(nacp_status_name(NACP_E_INTERNAL), "NACP_E_INTERNAL");
    CHECK_TEXT(nacp_status_name(NACP_E_SERVICE_FAILED), "NACP_E_SERVICE_FAILED");
    CHECK_TEXT(nacp_status_name(14), "NACP_E_UNKNOWN");
    CHECK_TEXT(nacp_status_name(-1), "NACP_E_UNKNOWN");
}

static void contexts(void) {
    nacp_ctx *ctx = (nacp_ctx *)&checks;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = "h100x8";
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "there is no such kind of node: parameter=options.node value=\"h100x8\"; pass NULL for this machine, "
          "simulated:NAME, simulated:FILE.json or replay:FILE");
    CHECK(ctx == NULL);
    CHECK_TEXT(error.operation, "nacp_ctx_new");
    options.node = "simulated:h100x9";
    CHECK(nacp_ctx_new(&options, &ctx, &error) == NACP_E_NOT_FOUND);
    CHECK(strstr(error.message, "; did you mean h100x8?") != NULL);
    options.node = "simulated:h100x8";
    options.engine = "podman";
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "there is no such engine: parameter=options.engine value=\"podman\"; pass NULL, docker or simulated");
    options.engine = "\xff";
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "a parameter is not UTF-8: parameter=options.engine byte=0");
    options.struct_size = 0;
    CHECK(nacp_ctx_new(&options, &ctx, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "a parameter's struct_size is too small: parameter=options struct_size=0 least=") !=
          NULL);
    FAILS(nacp_ctx_new(&options, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=ctx");

    /* Without an error, and with one whose size was forgotten. */
    CHECK(nacp_ctx_new(&options, NULL, NULL) == NACP_E_INVALID_ARGUMENT);
    nacp_error forgotten = {0};
    CHECK(nacp_ctx_new(NULL, &ctx, &forgotten) == NACP_E_INVALID_ARGUMENT);
    CHECK(forgotten.status == 0 && ctx == NULL);

    /* A machine with nothing: making a context works everywhere. */
    WORKS(nacp_ctx_new(NULL, &ctx, &error));
    nacp_ctx_free(ctx);
    nacp_ctx_free(NULL);
}

static void nodes(const nacp_ctx *ctx) {
    nacp_node *node = NULL;
    FAILS(nacp_discover(NULL, &node, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=ctx");
    FAILS(nacp_discover(ctx, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=node");
    WORKS(nacp_discover(ctx, &node, &error));
    CHECK(nacp_node_gpu_count(node) == 1);
    CHECK(nacp_node_gpu_count(NULL) == 0);

    nacp_node_info info = NACP_NODE_INFO_INIT;
    FAILS(nacp_node_describe(NULL, &info, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=node");
    FAILS(nacp_node_describe(node, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=info");
    WORKS(nacp_node_describe(node, &info, &error));
    CHECK(info.simulated == 1 && info.struct_size == sizeof info);
    CHECK(info.known == (NACP_NODE_DRIVER | NACP_NODE_CUDA));
    CHECK_TEXT(info.name, "rtx3050ti-laptop-wsl2");
    CHECK_TEXT(info.cuda, "13.1");

    nacp_gpu gpu = NACP_GPU_INIT;
    WORKS(nacp_node_gpu_at(node, 0, &gpu, &error));
    CHECK_TEXT(gpu.uuid, "GPU-3050a701-0000-4000-8000-000000000001");
    CHECK_TEXT(gpu.name, "NVIDIA GeForce RTX 3050 Ti Laptop GPU");
    CHECK(gpu.memory_total == UINT64_C(4) << 30 && gpu.compute_major == 8 && gpu.compute_minor == 6);
    CHECK(gpu.memory_used + gpu.memory_free + gpu.memory_reserved == gpu.memory_total);
    CHECK((gpu.known & NACP_GPU_TEMPERATURE) != 0 && (gpu.known & NACP_GPU_POWER_LIMIT) == 0);
    FAILS(nacp_node_gpu_at(node, 1, &gpu, &error), NACP_E_NOT_FOUND, "there is no GPU of this index: index=1 count=1");
    gpu.struct_size = 8;
    CHECK(nacp_node_gpu_at(node, 0, &gpu, &error) == NACP_E_INVALID_ARGUMENT);

    /* A newer program's larger struct: the library leaves alone what it does not know. */
    struct {
        nacp_gpu gpu;
        uint64_t newer;
    } larger = {NACP_GPU_INIT, 77};
    larger.gpu.struct_size = sizeof larger;
    WORKS(nacp_node_gpu_at(node, 0, &larger.gpu, &error));
    CHECK(larger.newer == 77 && larger.gpu.struct_size == sizeof larger && larger.gpu.temperature > 0);

    nacp_string json = {0};
    FAILS(nacp_node_snapshot_json(node, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=json");
    WORKS(nacp_node_snapshot_json(node, &json, &error));
    CHECK(json.len == strlen(json.data) && strstr(json.data, "{\"unknown\":\"not supported\"}") != NULL);
    nacp_string_free(&json);
    CHECK(json.data == NULL && json.len == 0);
    nacp_string_free(&json);
    nacp_string_free(NULL);

    FAILS(nacp_node_refresh(NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=node");
    WORKS(nacp_node_refresh(node, &error));
    nacp_node_free(node);
    nacp_node_free(NULL);
}

static const char *const COMPOSE = "services:\n"
                                   "  llm:\n"
                                   "    image: example/llm:1\n"
                                   "    volumes: ['./models:/models']\n"
                                   "    gpus: all\n"
                                   "    x-nacp: { gpu: { memory: 1GiB } }\n";

static void texts(void) {
    nacp_string json = {0};
    WORKS(nacp_app_check_json(APP, &json, &error));
    CHECK(strstr(json.data, "{\"app\":{\"name\":") == json.data);
    CHECK(strstr(json.data, "\"memory\":1073741824") != NULL);
    nacp_string_free(&json);
    WORKS(nacp_app_check_json("{name: a, services: {s: {image: 'i:latest'}}}", &json, &error));
    CHECK(strstr(json.data, "\"warnings\":[{\"field\":\"services.s.image\",") != NULL);
    nacp_string_free(&json);
    WORKS(nacp_app_schema_json(&json, &error));
    CHECK(strstr(json.data, "\"title\":\"nacp.yaml\"") != NULL);
    nacp_string_free(&json);
    FAILS(nacp_app_schema_json(NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=json");
    FAILS(nacp_app_check_json("name: smoke\nservices:\n  llm:\n    imgae: x\n", &json, &error),
          NACP_E_INVALID_ARGUMENT, "unknown field: line=4 column=5 field=services.llm.imgae; did you mean image?");
    FAILS(nacp_app_check_json(NULL, &json, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=app");
    FAILS(nacp_app_check_json(APP, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=json");

    WORKS(nacp_compose_import_json(COMPOSE, NULL, "/srv/chat", &json, &error));
    CHECK(strstr(json.data, "\"app\":{\"name\":\"chat\",") != NULL);
    CHECK(strstr(json.data, "\"host\":\"/srv/chat/models\"") != NULL);
    CHECK(strstr(json.data, "\"kind\":\"changed\",\"field\":\"services.llm.gpus\",\"line\":5,") != NULL);
    nacp_string_free(&json);
    FAILS(nacp_compose_import_json(COMPOSE, "chat", NULL, &json, &error), NACP_E_INVALID_ARGUMENT,
          "the folder of the file is not known: line=4 column=15 field=services.llm.volumes[0] value=./models; "
          "tell it, or write the path from the root");
    CHECK_TEXT(error.operation, "compose.import");
    FAILS(nacp_compose_import_json(NULL, NULL, NULL, &json, &error), NACP_E_INVALID_ARGUMENT,
          "a parameter is NULL: parameter=text");
    FAILS(nacp_compose_import_json(COMPOSE, NULL, "/srv/chat", NULL, &error), NACP_E_INVALID_ARGUMENT,
          "a parameter is NULL: parameter=json");

    WORKS(nacp_compose_export_json(APP, &json, &error));
    CHECK(strstr(json.data, "\"text\":\"name: smoke\\n") != NULL && strstr(json.data, "\"notes\":[{") != NULL);
    nacp_string_free(&json);
    FAILS(nacp_compose_export_json("name: [", &json, &error), NACP_E_INVALID_ARGUMENT,
          "not a valid app: line=1 column=7 field=name reason=a single value is needed");
    FAILS(nacp_compose_export_json(NULL, &json, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=app");
    FAILS(nacp_compose_export_json(APP, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=json");
}

static void plans(const nacp_ctx *ctx) {
    nacp_plan *plan = NULL;
    FAILS(nacp_plan_app(ctx, NULL, &plan, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=app");
    FAILS(nacp_plan_app(ctx, APP, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=plan");
    FAILS(nacp_plan_app(ctx, "name: smoke\nservices:\n  llm:\n    imgae: x\n", &plan, &error), NACP_E_INVALID_ARGUMENT,
          "unknown field: line=4 column=5 field=services.llm.imgae; did you mean image?");
    CHECK_TEXT(error.operation, "service.parse");
    FAILS(nacp_plan_app(ctx, "name: [", &plan, &error), NACP_E_INVALID_ARGUMENT,
          "not a valid app: line=1 column=7 field=name reason=a single value is needed");
    FAILS(
        nacp_plan_app(
            ctx, "{\"name\": \"smoke\", \"services\": {\"llm\": {\"image\": \"x\", \"gpu\": {\"memory\": \"5GiB\"}}}}",
            &plan, &error),
        NACP_E_RESOURCE_EXHAUSTED,
        "no GPU has room for a replica: app=smoke service=llm replica=0 memory=\"5 GiB\" count=1 fitting=0 "
        "gpus=[GPU-3050a701: 3.50 GiB free of 4 GiB]; lower `gpu.memory` to at most 3.50 GiB, or free memory on a GPU");
    CHECK(plan == NULL && error.retryable == 0);

    WORKS(nacp_plan_app(ctx, APP, &plan, &error));
    CHECK(nacp_plan_count(plan) == 2 && nacp_plan_count(NULL) == 0);
    nacp_action action = NACP_ACTION_INIT;
    WORKS(nacp_plan_at(plan, 1, &action, &error));
    CHECK(action.step == NACP_STEP_CREATE && action.wave == 0 && action.replica == 1);
    CHECK_TEXT(action.service, "llm");
    CHECK_TEXT(action.gpus, "GPU-3050a701-0000-4000-8000-000000000001");
    CHECK(strncmp(action.reason, "it is not there; ", 17) == 0);
    FAILS(nacp_plan_at(plan, 2, &action, &error), NACP_E_NOT_FOUND,
          "there is no action of this index: index=2 count=2");
    FAILS(nacp_plan_at(plan, 0, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=action");
    nacp_plan_free(plan);
    nacp_plan_free(NULL);

    nacp_string json = {0};
    WORKS(nacp_plan_json(ctx, APP, &json, &error));
    CHECK(json.data != NULL && strstr(json.data, "\"step\":\"create\"") != NULL);
    nacp_string_free(&json);
}

static void apps(const nacp_ctx *ctx) {
    nacp_replicas *replicas = NULL;
    size_t removed = 99;
    FAILS(nacp_apply(NULL, APP, 0, &replicas, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=ctx");
    FAILS(nacp_apply(ctx, "\xc3(", 0, &replicas, &error), NACP_E_INVALID_ARGUMENT,
          "a parameter is not UTF-8: parameter=app byte=0");
    WORKS(nacp_apply(ctx, APP, 30000, &replicas, &error));
    CHECK(nacp_replicas_count(replicas) == 2 && nacp_replicas_ready(replicas) == 1);
    CHECK(nacp_replicas_count(NULL) == 0 && nacp_replicas_ready(NULL) == 0);
    nacp_replica replica = NACP_REPLICA_INIT;
    WORKS(nacp_replicas_at(replicas, 1, &replica, &error));
    CHECK(replica.ready == 1 && replica.replica == 1 && replica.memory == UINT64_C(1) << 30);
    CHECK_TEXT(replica.service, "llm");
    CHECK_TEXT(replica.model, "tiny");
    CHECK_TEXT(replica.state, "running");
    CHECK_TEXT(replica.gpu_injection, "none, the engine is simulated");
    CHECK(strncmp(replica.address, "127.0.0.1:", 10) == 0);
    FAILS(nacp_replicas_at(replicas, 2, &replica, &error), NACP_E_NOT_FOUND,
          "there is no replica of this index: index=2 count=2");
    nacp_replicas_free(replicas);
    nacp_replicas_free(NULL);

    nacp_string text = {0};
    WORKS(nacp_apply_json(ctx, APP, 0, &text, &error));
    CHECK(strstr(text.data, "\"app\":\"smoke\"") != NULL);
    nacp_string_free(&text);
    WORKS(nacp_status_json(ctx, "smoke", &text, &error));
    CHECK(strstr(text.data, "\"ready\":true") != NULL);
    nacp_string_free(&text);
    WORKS(nacp_logs(ctx, "smoke", "llm", 0, 1000, &text, &error));
    CHECK(strstr(text.data, "listening on 127.0.0.1:") != NULL && text.data[text.len - 1] == '\n');
    nacp_string_free(&text);
    FAILS(nacp_logs(ctx, "smoke", "llm", 7, 5, &text, &error), NACP_E_NOT_FOUND,
          "no such replica: name=nacp.smoke.llm.7 known=[nacp.smoke.llm.0, nacp.smoke.llm.1]");
    CHECK(text.data == NULL);
    WORKS(nacp_metrics_text(ctx, &text, &error));
    CHECK(strstr(text.data, "DCGM_FI_DEV_GPU_TEMP") != NULL && strstr(text.data, "simulated=\"true\"") != NULL);
    nacp_string_free(&text);
    nacp_engine_info engine = NACP_ENGINE_INFO_INIT;
    WORKS(nacp_engine_describe(ctx, &engine, &error));
    CHECK(engine.simulated == 1 && engine.cdi_devices == 0 && engine.nvidia_runtime == 0);
    CHECK_TEXT(engine.name, "simulated engine");
    CHECK_TEXT(engine.version, NACP_VERSION);
    CHECK_TEXT(engine.address, "in this process");
    CHECK_TEXT(engine.api, "");
    FAILS(nacp_engine_describe(ctx, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=info");
    WORKS(nacp_engine_json(ctx, &text, &error));
    CHECK(strstr(text.data, "\"simulated\":true") != NULL);
    nacp_string_free(&text);

    /* A service that never becomes ready: the caller's limit, then the service's own. */
    FAILS(nacp_apply(ctx,
                     "{name: sick, services: {llm: {image: x, port: 8000, ready: {http: /health, within: 30s}, "
                     "env: {NACP_SIM_UNHEALTHY: '1'}}}}",
                     200, NULL, &error),
          NACP_E_TIMEOUT,
          "the app is not ready in the time allowed: app=sick timeout_ms=200; what was started goes on; apply again to "
          "wait for it, or delete the app");
    WORKS(nacp_delete(ctx, "sick", &removed, &error));
    CHECK(removed == 1);
    WORKS(nacp_delete(ctx, "sick", &removed, &error));
    CHECK(removed == 0);
    FAILS(nacp_delete(ctx, NULL, &removed, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=app");
}

enum { THREADS = 4, ROUNDS = 500 };

static void *route_many(void *argument) {
    const nacp_router *router = argument;
    nacp_error local = NACP_ERROR_INIT;
    for (int round = 0; round < ROUNDS; round++) {
        nacp_lease *lease = NULL;
        if (nacp_route(router, "tiny", &lease, &local) != NACP_OK || nacp_lease_address(lease) == NULL) {
            return argument;
        }
        nacp_lease_free(lease);
    }
    return NULL;
}

static void routes(const nacp_ctx *ctx) {
    nacp_router *router = NULL;
    nacp_lease *one = NULL, *two = NULL;
    FAILS(nacp_router_new(ctx, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=router");
    WORKS(nacp_router_new(ctx, &router, &error));
    FAILS(nacp_route(NULL, "tiny", &one, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=router");
    FAILS(nacp_route(router, NULL, &one, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=model");
    FAILS(nacp_route(router, "tiny", NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=lease");
    one = (nacp_lease *)&checks;
    FAILS(nacp_route(router, "tini", &one, &error), NACP_E_NOT_FOUND,
          "no service answers to this model: model=tini known=tiny; did you mean tiny?");
    CHECK(one == NULL);
    WORKS(nacp_route(router, "tiny", &one, &error));
    WORKS(nacp_route(router, "smoke/llm", &two, &error));
    CHECK(strcmp(nacp_lease_address(one), nacp_lease_address(two)) != 0);
    CHECK(strncmp(nacp_lease_replica(one), "nacp.smoke.llm.", 15) == 0);
    CHECK(nacp_lease_address(one) == nacp_lease_address(one));
    CHECK(nacp_lease_address(NULL) == NULL && nacp_lease_replica(NULL) == NULL);

    pthread_t threads[THREADS];
    for (int index = 0; index < THREADS; index++) {
        CHECK(pthread_create(&threads[index], NULL, route_many, router) == 0);
    }
    for (int index = 0; index < THREADS; index++) {
        void *failed = NULL;
        pthread_join(threads[index], &failed);
        CHECK(failed == NULL);
    }

    /* The router follows the context; a lease outlives the replica and the router. */
    WORKS(nacp_delete(ctx, "smoke", NULL, &error));
    nacp_lease *none = NULL;
    FAILS(nacp_route(router, "tiny", &none, &error), NACP_E_NOT_FOUND, "no service is ready: model=tiny");
    CHECK(error.retryable == 1);
    WORKS(nacp_router_refresh(ctx, router, &error));
    FAILS(nacp_router_refresh(ctx, NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=router");
    nacp_router_free(router);
    nacp_router_free(NULL);
    CHECK(strncmp(nacp_lease_address(two), "127.0.0.1:", 10) == 0);
    nacp_lease_free(one);
    nacp_lease_free(two);
    nacp_lease_free(NULL);
}

static void gateways(nacp_ctx *ctx) {
    nacp_gateway *gateway = NULL, *second = NULL;
    nacp_gateway_options options = NACP_GATEWAY_OPTIONS_INIT;
    options.port = 70000;
    FAILS(nacp_gateway_start(ctx, &options, &gateway, &error), NACP_E_INVALID_ARGUMENT,
          "a port is at most 65535: parameter=options.port value=70000");
    options.port = 0;
    options.address = "localhost";
    FAILS(nacp_gateway_start(ctx, &options, &gateway, &error), NACP_E_INVALID_ARGUMENT,
          "not an IP address: parameter=options.address value=\"localhost\"");
    options.address = "0.0.0.0";
    FAILS(nacp_gateway_start(ctx, &options, &gateway, &error), NACP_E_INVALID_ARGUMENT,
          "other machines could use the gateway: address=0.0.0.0:0; set an API key, or listen on 127.0.0.1");
    WORKS(nacp_gateway_start(ctx, NULL, &gateway, &error));
    unsigned port = 0;
    CHECK(sscanf(nacp_gateway_url(gateway), "http://127.0.0.1:%u", &port) == 1);
    CHECK(nacp_gateway_url(NULL) == NULL);
    options = (nacp_gateway_options)NACP_GATEWAY_OPTIONS_INIT;
    options.port = port;
    /* The port is free as soon as the gateway is. */
    for (int round = 0; round < 50; round++) {
        nacp_gateway_free(gateway);
        gateway = NULL;
        WORKS(nacp_gateway_start(ctx, &options, &gateway, &error));
    }
    CHECK(nacp_gateway_start(ctx, &options, &second, &error) == NACP_E_CONFLICT);
    CHECK(second == NULL && strstr(error.message, "; choose another port, or 0 for any free one") != NULL);

    /* The context may go first. */
    nacp_ctx_free(ctx);
    FAILS(nacp_gateway_stop(NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=gateway");
    WORKS(nacp_gateway_stop(gateway, &error));
    WORKS(nacp_gateway_stop(gateway, &error));
    nacp_gateway_free(gateway);
    nacp_gateway_free(NULL);
}

static void machine(void) {
    nacp_string text = {0};
    WORKS(nacp_detect_text(&text, &error));
    CHECK(text.len > 0);
    nacp_string_free(&text);
    WORKS(nacp_detect_json(&text, &error));
    CHECK(strstr(text.data, "\"layers\":") != NULL);
    nacp_string_free(&text);
    error = fresh;
    nacp_status status = nacp_probe_cuda_json(&text, &error);
    CHECK(status == NACP_OK || (status == NACP_E_DRIVER_UNAVAILABLE && text.data == NULL && error.message[0] != 0));
    nacp_string_free(&text);
    FAILS(nacp_detect_json(NULL, &error), NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=json");
}

int main(void) {
    versions();
    contexts();
    machine();
    nacp_ctx *ctx = context("simulated:rtx3050ti-laptop-wsl2");
    nodes(ctx);
    texts();
    plans(ctx);
    apps(ctx);
    routes(ctx);
    gateways(ctx);
    return report();
}
