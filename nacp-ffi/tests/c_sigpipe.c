/* A client that leaves a gateway in the middle of an answer: the program that embeds it goes on. SIGPIPE has its
   default action here, which ends a program. */

#define _POSIX_C_SOURCE 200809L

#include "nacp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 40 };

static const char APP[] = "{name: leaver, services: {llm: {image: x, model: m, port: 80, gpu: {memory: 1GiB}, "
                          "env: {NACP_SIM_TTFT_MS: '1', NACP_SIM_TOKEN_MS: '0'}}}}";
static const char BODY[] = "{\"model\":\"m\",\"stream\":true,\"max_tokens\":2000,"
                           "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Asks for a stream, sends a second request behind it, reads the first piece, and leaves. */
static int leave(unsigned port) {
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    char text[1024], answer[4096];
    int length = snprintf(text, sizeof text,
                          "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%sGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                          strlen(BODY), BODY);
    int well = connect(client, (struct sockaddr *)&address, sizeof address) == 0 &&
               send(client, text, (size_t)length, MSG_NOSIGNAL) == length &&
               recv(client, answer, sizeof answer, 0) > 0 && strncmp(answer, "HTTP/1.1 200", 12) == 0;
    close(client);
    return well;
}

int main(void) {
    nacp_error error = NACP_ERROR_INIT;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = "simulated:h100x8";
    options.engine = "simulated";
    nacp_ctx *ctx = NULL;
    nacp_gateway *gateway = NULL;
    unsigned port = 0;
    /* A program's parent may ignore the signal, and programs inherit that. */
    signal(SIGPIPE, SIG_DFL);
    if (nacp_ctx_new(&options, &ctx, &error) != NACP_OK || nacp_apply(ctx, APP, 30000, NULL, &error) != NACP_OK ||
        nacp_gateway_start(ctx, NULL, &gateway, &error) != NACP_OK ||
        sscanf(nacp_gateway_url(gateway), "http://127.0.0.1:%u", &port) != 1) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (int client = 0; client < CLIENTS; client++) {
        if (!leave(port)) {
            fprintf(stderr, "client %d got no answer\n", client);
            return 1;
        }
        pause_ms(client % 5 * 2);
    }
    pause_ms(300);
    nacp_gateway_free(gateway);
    nacp_ctx_free(ctx);
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE)) {
        fprintf(stderr, "a SIGPIPE is left behind\n");
        return 1;
    }
    puts("the program lives");
    return 0;
}
