/*
 * The main job in C: discover, check, plan, run, route, stop.
 *
 * It uses what is really there (the NVIDIA driver, CUDA, Docker) and, part by part, a simulated laptop where something
 * is missing, and says which. `tests/sim-service/image` builds the image that Docker runs here.
 *
 *     cargo build --release -p nacp-ffi
 *     mkdir -p target/c && ln -sf ../release/libnacp.so target/c/libnacp.so.0
 *     gcc -std=c11 -O2 examples/c/quickstart.c -I nacp-ffi/include -o target/c/quickstart \
 *         -L target/release -lnacp -Wl,-rpath,'$ORIGIN' -pthread
 *     target/c/quickstart [--simulated] [--requests N]
 */

#define _POSIX_C_SOURCE 200809L

#include <nacp.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NAME "quickstart-c"
#define MODEL "phi3:mini"
#define LAPTOP "simulated:rtx3050ti-laptop-wsl2"

static const char APP[] = "name: " NAME "\n"
                          "services:\n"
                          "  llm:\n"
                          "    image: nacp/sim-service:0.1\n"
                          "    model: " MODEL "\n"
                          "    gpu: { memory: 1200MiB }\n"
                          "    port: 8000\n"
                          "    ready: { http: /health, within: 60s }\n"
                          "    replicas: 2\n"
                          "  embed:\n"
                          "    image: nacp/sim-service:0.1\n"
                          "    model: nomic-embed-text\n"
                          "    gpu: { memory: 600MiB }\n"
                          "    port: 8000\n"
                          "    ready: { http: /health, within: 60s }\n"
                          "    depends_on: [llm]\n";

enum { CLIENTS = 8, DECISIONS = 200000, MOST_REQUESTS = 100000, MESSAGE = 4096 };

/* What the program holds and has to give back. */
struct quickstart {
    nacp_ctx *ctx;
    nacp_node *node;
    nacp_router *router;
    nacp_gateway *gateway;
    bool applied;
    bool docker;
    const char *node_name; /* NULL for this machine */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
}

static int failed(const char *what, const nacp_error *error) {
    fprintf(stderr, "%s: %s (%s)\n", what, error->message, nacp_status_name(error->status));
    return 1;
}

static void heading(const char *text) {
    printf("\n%s\n", text);
    for (size_t index = 0; text[index] != '\0'; index++) {
        putchar('-');
    }
    putchar('\n');
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int open_context(struct quickstart *job, nacp_error *error) {
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = job->node_name;
    options.engine = job->docker ? "docker" : "simulated";
    nacp_gateway_free(job->gateway);
    nacp_router_free(job->router);
    nacp_node_free(job->node);
    nacp_ctx_free(job->ctx);
    job->gateway = NULL;
    job->router = NULL;
    job->node = NULL;
    if (nacp_ctx_new(&options, &job->ctx, error) != NACP_OK) {
        return failed("context", error);
    }
    return 0;
}

/* GPUs: those of this machine, or else the simulated laptop's. */
static int discover(struct quickstart *job, bool simulated) {
    nacp_error error = NACP_ERROR_INIT;
    heading("GPUs");
    if (simulated) {
        job->node_name = LAPTOP;
        puts("simulated, as asked");
    }
    if (open_context(job, &error) != 0) {
        return 1;
    }
    nacp_status status = nacp_discover(job->ctx, &job->node, &error);
    if (job->node_name == NULL && (status != NACP_OK || nacp_node_gpu_count(job->node) == 0)) {
        printf("simulated, because this machine has none: %s\n",
               status == NACP_OK ? "the driver reports no GPU" : error.message);
        job->node_name = LAPTOP;
        if (open_context(job, &error) != 0) {
            return 1;
        }
        status = nacp_discover(job->ctx, &job->node, &error);
    }
    if (status != NACP_OK) {
        return failed("discover", &error);
    }
    nacp_node_info info = NACP_NODE_INFO_INIT;
    if (nacp_node_describe(job->node, &info, &error) != NACP_OK) {
        return failed("describe", &error);
    }
    printf("%s: %s, driver %s, CUDA %s\n\n", info.simulated ? "simulated" : "real", info.name,
           (info.known & NACP_NODE_DRIVER) ? info.driver : "unknown",
           (info.known & NACP_NODE_CUDA) ? info.cuda : "unknown");
    printf("%-40s  %-38s  %7s  %11s  %6s\n", "uuid", "name", "compute", "free/total", "celsius");
    for (size_t index = 0; index < nacp_node_gpu_count(job->node); index++) {
        nacp_gpu gpu = NACP_GPU_INIT;
        char compute[24] = "?", memory[48] = "?", celsius[16] = "?";
        if (nacp_node_gpu_at(job->node, index, &gpu, &error) != NACP_OK) {
            return failed("gpu", &error);
        }
        if (gpu.known & NACP_GPU_COMPUTE) {
            snprintf(compute, sizeof compute, "%u.%u", gpu.compute_major, gpu.compute_minor);
        }
        if ((gpu.known & NACP_GPU_MEMORY_USE) && (gpu.known & NACP_GPU_MEMORY_TOTAL)) {
            snprintf(memory, sizeof memory, "%.1f/%.1f GiB", (double)gpu.memory_free / (1 << 30),
                     (double)gpu.memory_total / (1 << 30));
        }
        if (gpu.known & NACP_GPU_TEMPERATURE) {
            snprintf(celsius, sizeof celsius, "%u", gpu.temperature);
        }
        printf("%-40s  %-38s  %7s  %11s  %6s\n", gpu.uuid, gpu.name, compute, memory, celsius);
    }
    return 0;
}

/* Whether CUDA works, and where we run. Neither is simulated, whatever the GPUs are. */
static int check(void) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_string text = {0};
    heading("CUDA");
    if (nacp_probe_cuda_text(&text, &error) == NACP_OK) {
        printf("real: %s\n", text.data);
    } else {
        printf("not on this machine: %s\n", error.message);
    }
    nacp_string_free(&text);
    heading("Where we run");
    if (nacp_detect_text(&text, &error) != NACP_OK) {
        return failed("detect", &error);
    }
    puts(text.data);
    nacp_string_free(&text);
    return 0;
}

static int plan(struct quickstart *job) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_plan *plan = NULL;
    int result = 0;
    heading("Plan");
    if (nacp_plan_app(job->ctx, APP, &plan, &error) != NACP_OK) {
        return failed("plan", &error);
    }
    static const char *const steps[] = {"?", "keep", "create", "start", "remove"};
    printf("%-4s  %-8s  %-9s  %-40s  %s\n", "wave", "step", "replica", "gpus", "reason");
    for (size_t index = 0; result == 0 && index < nacp_plan_count(plan); index++) {
        nacp_action action = NACP_ACTION_INIT;
        if (nacp_plan_at(plan, index, &action, &error) != NACP_OK) {
            result = failed("action", &error);
            break;
        }
        char replica[64];
        snprintf(replica, sizeof replica, "%s/%u", action.service, action.replica);
        bool known = action.step >= NACP_STEP_KEEP && action.step <= NACP_STEP_REMOVE;
        printf("%-4u  %-8s  %-9s  %-40s  %s\n", action.wave, steps[known ? action.step : 0], replica, action.gpus,
               action.reason);
    }
    nacp_plan_free(plan);
    return result;
}

/* The engine: Docker, or else services that are simulated in this process. */
static int choose_engine(struct quickstart *job, bool simulated) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_engine_info info = NACP_ENGINE_INFO_INIT;
    heading("Engine");
    if (simulated) {
        puts("simulated, as asked");
    } else if (nacp_engine_describe(job->ctx, &info, &error) != NACP_OK) {
        printf("simulated, because there is no Docker: %s\n", error.message);
    } else {
        printf("real: %s %s at %s, %u CDI devices for GPUs, %s nvidia runtime\n", info.name, info.version, info.address,
               info.cdi_devices, info.nvidia_runtime ? "with the" : "no");
        return 0;
    }
    job->docker = false;
    return open_context(job, &error);
}

static int apply(struct quickstart *job) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_replicas *replicas = NULL;
    heading("Services");
    job->applied = true;
    double start = seconds();
    nacp_status status = nacp_apply(job->ctx, APP, 120000, &replicas, &error);
    if (status != NACP_OK && job->docker && !interrupted) {
        printf("simulated, because Docker cannot run the app: %s\n", error.message);
        nacp_error ignored = NACP_ERROR_INIT;
        (void)nacp_delete(job->ctx, NAME, NULL, &ignored);
        job->docker = false;
        if (open_context(job, &error) != 0) {
            return 1;
        }
        start = seconds();
        status = nacp_apply(job->ctx, APP, 120000, &replicas, &error);
    }
    if (status != NACP_OK) {
        return failed("apply", &error);
    }
    printf("%s services, ready after %.0f ms\n\n", job->docker ? "real" : "simulated", (seconds() - start) * 1e3);
    printf("%-26s  %-18s  %-8s  %-5s  %-21s  %s\n", "container", "model", "state", "ready", "address",
           "how it got its GPU");
    int result = 0;
    for (size_t index = 0; index < nacp_replicas_count(replicas); index++) {
        nacp_replica replica = NACP_REPLICA_INIT;
        if (nacp_replicas_at(replicas, index, &replica, &error) != NACP_OK) {
            result = failed("replica", &error);
            break;
        }
        printf("%-26s  %-18s  %-8s  %-5s  %-21s  %s\n", replica.name, replica.model ? replica.model : "-",
               replica.state, replica.ready ? "yes" : "no", replica.address ? replica.address : "-",
               replica.gpu_injection ? replica.gpu_injection : "-");
    }
    nacp_replicas_free(replicas);
    return result;
}

/* Sends one chat request over a connection of its own; returns the tokens of the answer, or -1. */
static long chat(const char *address) {
    static const char body[] = "{\"model\":\"" MODEL "\",\"max_tokens\":16,"
                               "\"messages\":[{\"role\":\"user\",\"content\":\"What is a control plane?\"}]}";
    char host[64] = "";
    unsigned port = 0;
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (sscanf(address, "%63[0-9.]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &to.sin_addr) != 1) {
        return -1;
    }
    to.sin_port = htons((uint16_t)port);
    char text[MESSAGE];
    int length = snprintf(text, sizeof text,
                          "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          address, sizeof body - 1, body);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0) {
        return -1;
    }
    struct timeval limit = {.tv_sec = 30};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    size_t size = 0;
    if (connect(connection, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(connection, text, (size_t)length, MSG_NOSIGNAL) == length) {
        ssize_t count;
        while (size < sizeof text - 1 && (count = recv(connection, text + size, sizeof text - 1 - size, 0)) > 0) {
            size += (size_t)count;
        }
    }
    close(connection);
    text[size] = '\0';
    const char *tokens = strstr(text, "\"completion_tokens\":");
    bool good = strncmp(text, "HTTP/1.1 200 ", 13) == 0 && tokens != NULL;
    return good ? strtol(tokens + strlen("\"completion_tokens\":"), NULL, 10) : -1;
}

/* One client: it sends its share of the requests, each to the replica that the router chooses, or to the gateway. */
struct client {
    const nacp_router *router; /* NULL to use the gateway */
    const char *gateway;
    double *latencies;
    int requests;
    long tokens;
    int errors;
    pthread_t thread;
};

static void *work(void *argument) {
    struct client *client = argument;
    for (int index = 0; index < client->requests && !interrupted; index++) {
        double start = seconds();
        long tokens = -1;
        nacp_lease *lease = NULL;
        if (client->router == NULL) {
            tokens = chat(client->gateway);
        } else if (nacp_route(client->router, MODEL, &lease, NULL) == NACP_OK) {
            tokens = chat(nacp_lease_address(lease));
            nacp_lease_free(lease);
        }
        client->latencies[index] = seconds() - start;
        client->tokens += tokens > 0 ? tokens : 0;
        client->errors += tokens < 0;
    }
    return NULL;
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int send_requests(const char *way, const nacp_router *router, const char *gateway, int requests) {
    double *latencies = calloc((size_t)requests, sizeof *latencies);
    struct client clients[CLIENTS] = {0};
    int started = 0, offset = 0, errors = 0;
    long tokens = 0;
    if (latencies == NULL) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    double start = seconds();
    for (; started < CLIENTS; started++) {
        struct client *client = &clients[started];
        client->router = router;
        client->gateway = gateway;
        client->latencies = latencies + offset;
        client->requests = requests / CLIENTS + (started < requests % CLIENTS);
        offset += client->requests;
        if (pthread_create(&client->thread, NULL, work, client) != 0) {
            break;
        }
    }
    for (int index = 0; index < started; index++) {
        pthread_join(clients[index].thread, NULL);
        tokens += clients[index].tokens;
        errors += clients[index].errors;
    }
    double took = seconds() - start;
    if (interrupted) {
        free(latencies);
        return 1;
    }
    qsort(latencies, (size_t)requests, sizeof *latencies, by_size);
    printf("%-26s  %8d  %6d  %9.1f  %9.1f  %10.0f\n", way, requests, errors, latencies[(requests - 1) / 2] * 1e3,
           latencies[(requests - 1) * 99 / 100] * 1e3, (double)tokens / took);
    free(latencies);
    return started < CLIENTS || errors > 0 ? 1 : 0;
}

static int route(struct quickstart *job, int requests) {
    nacp_error error = NACP_ERROR_INIT;
    heading("Requests");
    if (nacp_router_new(job->ctx, &job->router, &error) != NACP_OK) {
        return failed("router", &error);
    }
    if (nacp_gateway_start(job->ctx, NULL, &job->gateway, &error) != NACP_OK) {
        return failed("gateway", &error);
    }
    double start = seconds();
    for (int index = 0; index < DECISIONS; index++) {
        nacp_lease *lease = NULL;
        if (nacp_route(job->router, MODEL, &lease, &error) != NACP_OK) {
            return failed("route", &error);
        }
        nacp_lease_free(lease);
    }
    printf("routing: %.0f ns per decision (%d decisions, one thread)\n", (seconds() - start) / DECISIONS * 1e9,
           DECISIONS);
    const char *url = nacp_gateway_url(job->gateway);
    printf("gateway: %s\n\n%-26s  %8s  %6s  %9s  %9s  %10s\n", url, "way", "requests", "errors", "p50 ms", "p99 ms",
           "tokens/s");
    if (send_requests("router, straight", job->router, NULL, requests) != 0) {
        return 1;
    }
    return send_requests("gateway", NULL, url + strlen("http://"), requests);
}

/* Gives everything back, whatever happened before. */
static int clean_up(struct quickstart *job) {
    nacp_error error = NACP_ERROR_INIT;
    size_t removed = 0;
    int result = 0;
    heading("Clean up");
    if (job->gateway != NULL && nacp_gateway_stop(job->gateway, &error) != NACP_OK) {
        result = failed("gateway", &error);
    }
    if (job->applied && nacp_delete(job->ctx, NAME, &removed, &error) != NACP_OK) {
        result = failed("delete", &error);
    }
    printf("%zu replicas removed\n", removed);
    nacp_gateway_free(job->gateway);
    nacp_router_free(job->router);
    nacp_node_free(job->node);
    nacp_ctx_free(job->ctx);
    return result;
}

int main(int count, char **arguments) {
    bool simulated = false;
    int requests = 200;
    for (int index = 1; index < count; index++) {
        if (strcmp(arguments[index], "--simulated") == 0) {
            simulated = true;
        } else if (strcmp(arguments[index], "--requests") == 0 && index + 1 < count) {
            requests = atoi(arguments[++index]);
        } else {
            requests = 0;
        }
    }
    if (requests < 1 || requests > MOST_REQUESTS) {
        fprintf(stderr, "usage: %s [--simulated] [--requests 1..%d]\n", arguments[0], MOST_REQUESTS);
        return 2;
    }
    if (nacp_abi_version() != NACP_ABI_VERSION) {
        fprintf(stderr, "libnacp %s does not fit this program\n", nacp_version_string());
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    struct quickstart job = {.docker = !simulated};
    int result = discover(&job, simulated);
    result = result || check();
    result = result || choose_engine(&job, simulated);
    result = result || plan(&job);
    result = result || interrupted || apply(&job);
    result = result || interrupted || route(&job, requests);
    result = clean_up(&job) || result;
    if (interrupted) {
        fputs("interrupted\n", stderr);
    }
    return result ? 1 : 0;
}
