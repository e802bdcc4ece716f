// Makes the calls that its arguments name, in order, and prints what each answers: `name=number`, or `name=0:value`
// where there is something to tell. It goes on whatever the answers are. A `+` before a name makes the call as often as
// the number before it says: `3+alloc:64`.
#include "driver.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int device;
static Handle context, module, function, graph, executable;
static Handle streams[8], events[8];
static Address memories[64];
static int memory_count;
static unsigned words = 64;
static void *pinned;
static unsigned host[16384];
static char ptx[1 << 20];
static char log_text[512];
static char told[1024];

static int load(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return -1;
    }
    ptx[fread(ptx, 1, sizeof ptx - 1, file)] = 0;
    fclose(file);
    int options[] = {5, 6};
    void *values[] = {log_text, (void *)sizeof log_text};
    int answer = cuModuleLoadDataEx(&module, ptx, 2, options, values);
    log_text[strcspn(log_text, "\n")] = 0;
    snprintf(told, sizeof told, "%s", log_text);
    return answer;
}

static int launch(Handle stream) {
    void *parameters[] = {&memories[0], &words};
    return cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, stream, parameters, NULL);
}

static int tell(int answer, const char *text) {
    snprintf(told, sizeof told, "%s", text == NULL ? "null" : text);
    return answer;
}

// One call; what it takes is a number or a text.
static int call(const char *name, const char *text) {
    long number = strtol(text, NULL, 0);
    size_t one = 0, two = 0;
    int answer, value = 0;
    unsigned flags = 0;
    float milliseconds = 0;
    const char *found = NULL;
    Handle stream = streams[0];
#define CALL(known, expression)                                                                                        \
    if (strcmp(name, known) == 0) {                                                                                    \
        return expression;                                                                                             \
    }
#define TELL(known, expression, ...)                                                                                   \
    if (strcmp(name, known) == 0) {                                                                                    \
        answer = expression;                                                                                           \
        snprintf(told, sizeof told, __VA_ARGS__);                                                                      \
        return answer;                                                                                                 \
    }
    CALL("init", cuInit(0))
    TELL("version", cuDriverGetVersion(&value), "%d", value)
    TELL("count", cuDeviceGetCount(&value), "%d", value)
    CALL("use", (device = (int)number, 0))
    TELL("attribute", cuDeviceGetAttribute(&value, (int)number, device), "%d", value)
    CALL("name", cuDeviceGetName(told, sizeof told, device))
    TELL("total", cuDeviceTotalMem_v2(&one, device), "%zu", one)
    TELL("peer", cuDeviceCanAccessPeer(&value, device, (int)number), "%d", value)
    CALL("retain", cuDevicePrimaryCtxRetain(&context, device))
    CALL("release", cuDevicePrimaryCtxRelease_v2(device))
    CALL("reset", cuDevicePrimaryCtxReset_v2(device))
    TELL("active", cuDevicePrimaryCtxGetState(device, &flags, &value), "%d", value)
    CALL("create", cuCtxCreate_v2(&context, 0, device))
    CALL("destroy", cuCtxDestroy_v2(context))
    CALL("set", cuCtxSetCurrent(context))
    CALL("unset", cuCtxSetCurrent(NULL))
    CALL("sync", cuCtxSynchronize())
    TELL("info", cuMemGetInfo_v2(&one, &two), "%zu/%zu", one, two)
    CALL("alloc", cuMemAlloc_v2(&memories[memory_count++ % 64], (size_t)number))
    CALL("free", cuMemFree_v2(memories[number]))
    CALL("pinned", cuMemHostAlloc(&pinned, (size_t)number, 0))
    CALL("unpin", cuMemFreeHost(pinned))
    CALL("upload", cuMemcpyHtoD_v2(memories[0], host, (size_t)number))
    CALL("download", cuMemcpyDtoH_v2(host, memories[0], (size_t)number))
    CALL("queue-download", cuMemcpyDtoHAsync_v2(host, memories[0], (size_t)number, stream))
    CALL("queue-pinned", cuMemcpyDtoHAsync_v2(pinned, memories[0], (size_t)number, stream))
    CALL("fill", cuMemsetD32_v2(memories[0], (unsigned)number, words))
    CALL("queue-fill", cuMemsetD32Async(memories[0], (unsigned)number, words, stream))
    TELL("word", cuMemcpyDtoH_v2(host, memories[0] + 4 * (size_t)number, 4), "%u", host[0])
    CALL("words", (words = (unsigned)number, 0))
    CALL("load", load(text))
    CALL("unload", cuModuleUnload(module))
    CALL("function", cuModuleGetFunction(&function, module, text))
    CALL("launch", launch(stream))
    CALL("launch-default", launch(NULL))
    CALL("stream", cuStreamCreate(&streams[number], 1))
    CALL("blocking-stream", cuStreamCreate(&streams[number], 0))
    CALL("end-stream", cuStreamDestroy_v2(streams[number]))
    CALL("sync-stream", cuStreamSynchronize(streams[number]))
    CALL("sync-default", cuStreamSynchronize(NULL))
    CALL("query", cuStreamQuery(streams[number]))
    CALL("event", cuEventCreate(&events[number], 0))
    CALL("end-event", cuEventDestroy_v2(events[number]))
    CALL("record", cuEventRecord(events[number], stream))
    CALL("record-1", cuEventRecord(events[number], streams[1]))
    CALL("wait-0", cuStreamWaitEvent(streams[0], events[number], 0))
    CALL("wait-1", cuStreamWaitEvent(streams[1], events[number], 0))
    CALL("launch-1", launch(streams[1]))
    CALL("reached", cuEventQuery(events[number]))
    CALL("sync-event", cuEventSynchronize(events[number]))
    TELL("elapsed", cuEventElapsedTime(&milliseconds, events[0], events[1]), "%.3f", (double)milliseconds)
    CALL("capture", cuStreamBeginCapture_v2(stream, 0))
    CALL("end-capture", cuStreamEndCapture(stream, &graph))
    CALL("instantiate", cuGraphInstantiateWithFlags(&executable, graph, 0))
    CALL("launch-graph", cuGraphLaunch(executable, stream))
    CALL("end-graph", cuGraphExecDestroy(executable))
    CALL("error-name", (answer = cuGetErrorName((int)number, &found), tell(answer, found)))
    CALL("error-text", (answer = cuGetErrorString((int)number, &found), tell(answer, found)))
    TELL("has", 0, "%s", dlsym(RTLD_DEFAULT, text) == NULL ? "no" : "yes")
    return -2;
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int nth = 1; nth < count; nth++) {
        char name[512];
        const char *written = arguments[nth], *plus = strchr(written, '+');
        long times = plus == NULL ? 1 : strtol(written, NULL, 10);
        snprintf(name, sizeof name, "%s", plus == NULL ? written : plus + 1);
        char *colon = strchr(name, ':');
        if (colon != NULL) {
            *colon = 0;
        }
        while (times-- > 0) {
            told[0] = 0;
            int answer = call(name, colon == NULL ? "0" : colon + 1);
            printf(told[0] == 0 ? "%s=%d\n" : "%s=%d:%s\n", name, answer, told);
        }
    }
    return 0;
}
