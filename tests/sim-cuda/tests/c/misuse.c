// Does everything wrong, and expects each refusal by its number. Its argument is a file of PTX.
#include "driver.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char ptx[65536];
static Handle shared_stream;

static void *end_elsewhere(void *answer) {
    Handle graph = NULL, context = *(Handle *)answer;
    cuCtxSetCurrent(context);
    *(int *)answer = cuStreamEndCapture(shared_stream, &graph);
    return NULL;
}

static int before_the_start(void) {
    int n;
    size_t size;
    Address memory = 0;
    Handle handle = NULL;
    IS(cuDeviceGetCount(&n), 3);
    IS(cuDeviceGet(&n, 0), 3);
    IS(cuDeviceGetAttribute(&n, 16, 0), 3);
    IS(cuDevicePrimaryCtxRetain(&handle, 0), 3);
    IS(cuCtxSetCurrent(NULL), 3);
    IS(cuMemAlloc_v2(&memory, 16), 3);
    IS(cuMemGetInfo_v2(&size, &size), 3);
    IS(cuModuleLoadData(&handle, ptx), 3);
    IS(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), 3);
    IS(cuStreamSynchronize(NULL), 3);
    IS(cuGraphLaunch(NULL, NULL), 3);
    IS(cuInit(1), 1);
    IS(cuInit(0), 0);
    IS(cuInit(0), 0);
    return 0;
}

static int devices(void) {
    int n = -1, status = -1;
    char text[64];
    unsigned char uuid[16];
    size_t size;
    void *function = text;
    IS(cuDriverGetVersion(NULL), 1);
    IS(cuDeviceGetCount(NULL), 1);
    IS(cuDeviceGet(NULL, 0), 1);
    IS(cuDeviceGet(&n, 1), 101);
    IS(cuDeviceGet(&n, -1), 101);
    IS(cuDeviceGetName(NULL, 10, 0), 1);
    IS(cuDeviceGetName(text, 0, 0), 1);
    IS(cuDeviceGetName(text, -4, 0), 1);
    IS(cuDeviceGetName(text, 7, 0), 0);
    IS(text[5] == 'A' && text[6] == 0, 1);
    IS(cuDeviceGetName(text, 7, 9), 101);
    IS(cuDeviceGetUuid(NULL, 0), 1);
    IS(cuDeviceGetUuid_v2(uuid, 1), 101);
    IS(cuDeviceTotalMem_v2(NULL, 0), 1);
    IS(cuDeviceTotalMem_v2(&size, 7), 101);
    IS(cuDeviceGetPCIBusId(text, 5, 0), 1);
    IS(cuDeviceGetPCIBusId(text, 13, 0), 0);
    IS(cuDeviceGetByPCIBusId(&n, text), 0);
    IS(n, 0);
    IS(cuDeviceGetByPCIBusId(&n, "0000:99:00.0"), 101);
    IS(cuDeviceGetByPCIBusId(NULL, text), 1);
    IS(cuDeviceGetAttribute(&n, 100000, 0), 1);
    IS(cuDeviceGetAttribute(&n, -1, 0), 1);
    IS(cuDeviceGetAttribute(NULL, 75, 0), 1);
    IS(cuDeviceCanAccessPeer(&n, 0, 1), 101);
    IS(cuDeviceCanAccessPeer(&n, 0, 0), 0);
    IS(n, 0);
    const char *name = text;
    IS(cuGetErrorName(424242, &name), 1);
    IS(name == NULL, 1);
    IS(cuGetErrorName(100, NULL), 1);
    IS(cuGetErrorString(716, &name), 0);
    IS(strcmp(name, "misaligned address"), 0);
    IS(cuGetProcAddress_v2("cuMemAlloc", &function, 99000, 0, &status), 1);
    IS(cuGetProcAddress_v2(NULL, &function, 12000, 0, &status), 1);
    IS(cuGetProcAddress_v2("cuNothing", &function, 12000, 0, &status), 0);
    IS(function == NULL && status == 1, 1);
    IS(cuGetProcAddress_v2("cuMemAlloc", &function, 12000, 0, NULL), 0);
    IS(function == (void *)cuMemAlloc_v2, 1);
    IS(cuGetProcAddress_v2("cuEventElapsedTime", &function, 12000, 0, &status), 0);
    IS(function == (void *)cuEventElapsedTime && status == 0, 1);
    IS(cuGetProcAddress_v2("cuEventElapsedTime", &function, 13000, 0, &status), 0);
    IS(function == (void *)cuEventElapsedTime_v2, 1);
    return 0;
}

static int contexts(void) {
    int n = -1;
    unsigned version = 0;
    Address memory = 0;
    Handle own = NULL, other = NULL, primary = NULL, found = NULL;
    IS(cuCtxGetCurrent(&found), 0);
    IS(found == NULL, 1);
    IS(cuCtxGetCurrent(NULL), 1);
    IS(cuCtxGetDevice(&n), 201);
    IS(cuCtxSynchronize(), 201);
    IS(cuCtxPopCurrent_v2(&found), 201);
    IS(cuMemAlloc_v2(&memory, 16), 201);
    IS(cuStreamCreate(&found, 0), 201);
    IS(cuEventCreate(&found, 0), 201);
    IS(cuModuleLoadData(&found, ptx), 201);
    IS(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), 201);
    IS(cuDevicePrimaryCtxRetain(NULL, 0), 1);
    IS(cuDevicePrimaryCtxRetain(&primary, 1), 101);
    IS(cuDevicePrimaryCtxRelease_v2(0), 201);
    IS(cuDevicePrimaryCtxGetState(0, NULL, &n), 1);
    IS(cuDevicePrimaryCtxGetState(0, &version, &n), 0);
    IS(n, 0);
    IS(cuDevicePrimaryCtxRetain(&primary, 0), 0);
    IS(cuDevicePrimaryCtxRetain(&found, 0), 0);
    IS(found == primary, 1);
    IS(cuCtxGetCurrent(&found), 0);
    IS(found == NULL, 1);
    IS(cuDevicePrimaryCtxGetState(0, &version, &n), 0);
    IS(n, 1);
    IS(cuCtxDestroy_v2(primary), 201);
    IS(cuDevicePrimaryCtxRelease_v2(0), 0);
    IS(cuCtxSetCurrent(primary), 0);
    IS(cuDevicePrimaryCtxRelease_v2(0), 0);
    IS(cuDevicePrimaryCtxRelease_v2(0), 201);
    IS(cuCtxSynchronize(), 709);
    IS(cuCtxSetCurrent(primary), 201);
    IS(cuCtxSetCurrent(NULL), 0);
    IS(cuCtxSetCurrent((Handle)0x1234), 201);
    IS(cuCtxPushCurrent_v2(NULL), 201);
    IS(cuCtxDestroy_v2((Handle)0x1234), 201);
    IS(cuCtxCreate_v2(NULL, 0, 0), 1);
    IS(cuCtxCreate_v2(&own, 0x10000, 0), 1);
    IS(cuCtxCreate_v2(&own, 0, 5), 101);
    IS(cuCtxCreate_v2(&own, 0, 0), 0);
    IS(cuCtxCreate_v2(&other, 0, 0), 0);
    IS(cuCtxGetCurrent(&found), 0);
    IS(found == other, 1);
    IS(cuCtxPopCurrent_v2(&found), 0);
    IS(found == other, 1);
    IS(cuCtxGetDevice(NULL), 1);
    IS(cuCtxGetDevice(&n), 0);
    IS(cuCtxGetApiVersion(NULL, &version), 0);
    IS(version > 0, 1);
    IS(cuCtxGetApiVersion(primary, &version), 201);
    IS(cuCtxEnablePeerAccess(own, 0), 101);
    IS(cuCtxEnablePeerAccess(other, 1), 1);
    IS(cuCtxEnablePeerAccess(primary, 0), 201);
    IS(cuCtxEnablePeerAccess(other, 0), 0);
    IS(cuCtxEnablePeerAccess(other, 0), 704);
    IS(cuCtxDisablePeerAccess(other), 0);
    IS(cuCtxDisablePeerAccess(other), 705);
    IS(cuCtxDestroy_v2(other), 0);
    IS(cuCtxDestroy_v2(other), 201);
    IS(cuCtxGetCurrent(&found), 0);
    IS(found == own, 1);
    return 0;
}

static int memory(void) {
    size_t before = 0, after = 0, total = 0;
    Address one = 0, two = 0;
    void *pinned = NULL;
    char bytes[4096] = {0};
    IS(cuMemGetInfo_v2(&before, &total), 0);
    IS(before > 0 && before <= total, 1);
    IS(cuMemAlloc_v2(NULL, 16), 1);
    IS(cuMemAlloc_v2(&one, 0), 1);
    IS(cuMemAlloc_v2(&one, (size_t)-1), 2);
    IS(cuMemAlloc_v2(&one, total + 1), 2);
    IS(cuMemAlloc_v2(&one, 4096), 0);
    IS(cuMemAlloc_v2(&two, 100), 0);
    IS(cuMemGetInfo_v2(&after, &total), 0);
    IS(before - after >= 4096 + 100, 1);
    IS(cuMemcpyHtoD_v2(one, bytes, 4097), 1);
    IS(cuMemcpyHtoD_v2(one - 1, bytes, 1), 1);
    IS(cuMemcpyHtoD_v2(one, NULL, 1), 1);
    IS(cuMemcpyHtoD_v2(0, bytes, 1), 1);
    IS(cuMemcpyHtoD_v2(one, bytes, 4096), 0);
    IS(cuMemcpyHtoD_v2(one, NULL, 0), 0);
    IS(cuMemcpyDtoH_v2(bytes, two + 50, 51), 1);
    IS(cuMemcpyDtoH_v2(NULL, two, 1), 1);
    IS(cuMemcpyDtoH_v2(bytes, (Address)(uintptr_t)bytes, 1), 1);
    IS(cuMemcpyDtoD_v2(two, one, 101), 1);
    IS(cuMemcpyDtoD_v2(one, two, 101), 1);
    IS(cuMemcpyDtoD_v2(one, two, 100), 0);
    IS(cuMemcpyDtoDAsync_v2(one, two, 100, (Handle)0x99), 400);
    IS(cuMemsetD32_v2(one, 7, 1025), 1);
    IS(cuMemsetD32_v2(one + 2, 7, 1), 1);
    IS(cuMemsetD32_v2(one, 7, (size_t)-1), 1);
    IS(cuMemsetD32_v2(one, 7, 1024), 0);
    IS(cuMemcpyPeerAsync(one, (Handle)0x99, two, NULL, 1, NULL), 201);
    IS(cuMemFree_v2(one + 8), 1);
    IS(cuMemFree_v2(12345), 1);
    IS(cuMemFree_v2(0), 0);
    IS(cuMemHostAlloc(NULL, 16, 0), 1);
    IS(cuMemHostAlloc(&pinned, 0, 0), 1);
    IS(cuMemHostAlloc(&pinned, 16, 64), 1);
    IS(cuMemHostAlloc(&pinned, 4096, 0), 0);
    IS(((char *)pinned)[4095], 0);
    IS(cuMemFreeHost(NULL), 1);
    IS(cuMemFreeHost(bytes), 1);
    IS(cuMemFree_v2((Address)(uintptr_t)pinned), 1);
    IS(cuMemcpyHtoDAsync_v2(one, pinned, 4096, NULL), 0);
    IS(cuMemFreeHost(pinned), 0);
    IS(cuMemFreeHost(pinned), 1);
    IS(cuMemFree_v2(one), 0);
    IS(cuMemFree_v2(one), 1);
    IS(cuMemcpyDtoH_v2(bytes, one, 1), 1);
    IS(cuMemFree_v2(two), 0);
    IS(cuMemGetInfo_v2(&after, NULL), 0);
    IS(after == before, 1);
    return 0;
}

static int modules(void) {
    int n = 0;
    unsigned words = 64;
    size_t size = 0;
    Address memory = 0;
    Handle module = NULL, function = NULL, own = NULL, other = NULL;
    void *parameters[] = {&memory, &words};
    void *nothing[] = {NULL};
    IS(cuModuleLoadData(NULL, ptx), 1);
    IS(cuModuleLoadData(&module, NULL), 1);
    IS(cuModuleLoadData(&module, "nonsense"), 218);
    IS(cuModuleLoadData(&module, "\x7f"
                                 "ELF machine code"),
       209);
    IS(cuModuleLoadData(&module, "\x50\xed\x55\xba"), 209);
    IS(cuModuleLoadData(&module, ".version 99.0\n.target sm_50\n"), 222);
    IS(cuModuleLoadData(&module, ".version 6.0\n.target sm_999\n"), 209);

    char log[16];
    memset(log, 'x', sizeof log);
    int options[] = {5, 6}, unknown[] = {4242};
    void *values[] = {log, (void *)(uintptr_t)sizeof log};
    IS(cuModuleLoadDataEx(&module, ptx, 1, unknown, values), 1);
    IS(cuModuleLoadDataEx(&module, ptx, 2, NULL, values), 1);
    IS(cuModuleLoadDataEx(&module, "nonsense", 2, options, values), 218);
    IS(strcmp(log, "ptxas applicati"), 0);
    IS((int)(uintptr_t)values[1], 16);
    values[0] = NULL;
    IS(cuModuleLoadDataEx(&module, "nonsense", 2, options, values), 218);
    values[0] = log;
    values[1] = (void *)(uintptr_t)sizeof log;
    IS(cuModuleLoadDataEx(&module, ptx, 2, options, values), 0);
    IS((int)(uintptr_t)values[1], 0);
    IS(log[0], 0);

    IS(cuModuleGetFunction(NULL, module, "count"), 1);
    IS(cuModuleGetFunction(&function, module, NULL), 1);
    IS(cuModuleGetFunction(&function, module, "missing"), 500);
    IS(cuModuleGetFunction(&function, (Handle)0x1234, "count"), 400);
    IS(cuModuleGetFunction(&function, module, "count"), 0);
    IS(cuModuleGetGlobal_v2(&memory, &size, module, "missing"), 500);
    IS(cuFuncGetAttribute(&n, 5, function), 0);
    IS(n, 50);
    IS(cuFuncGetAttribute(&n, 99, function), 1);
    IS(cuFuncGetAttribute(&n, 0, function), 0);
    IS(n, 1024);
    IS(cuFuncGetAttribute(&n, 0, module), 400);

    IS(cuMemAlloc_v2(&memory, 4 * words), 0);
    IS(cuLaunchKernel(module, 1, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL), 400);
    IS(cuLaunchKernel(function, 0, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 1025, 1, 1, 0, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 32, 32, 2, 0, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 1, 1, 65, 0, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(function, 1, 70000, 1, 1, 1, 1, 0, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 1 << 20, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, (Handle)0x1234, parameters, NULL), 400);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, NULL, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, nothing, NULL), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, parameters, nothing), 1);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, NULL, nothing), 801);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL), 0);

    Handle small = NULL;
    IS(cuModuleGetFunction(&small, module, "small"), 0);
    IS(cuFuncGetAttribute(&n, 0, small), 0);
    IS(n, 32);
    IS(cuLaunchKernel(small, 1, 1, 1, 33, 1, 1, 0, NULL, parameters, NULL), 1);
    IS(cuLaunchKernel(small, 1, 1, 1, 32, 1, 1, 0, NULL, parameters, NULL), 0);

    IS(cuCtxGetCurrent(&own), 0);
    IS(cuCtxCreate_v2(&other, 0, 0), 0);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL), 400);
    IS(cuCtxDestroy_v2(other), 0);
    IS(cuModuleUnload(module), 0);
    IS(cuModuleUnload(module), 400);
    IS(cuModuleGetFunction(&function, module, "count"), 400);
    IS(cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL), 400);
    IS(cuMemFree_v2(memory), 0);
    return 0;
}

static int streams_and_events(void) {
    int n = 0, least = 1, greatest = 1;
    float milliseconds = 0;
    Handle stream = NULL, event = NULL, untimed = NULL, other = NULL, foreign = NULL;
    IS(cuStreamCreate(NULL, 0), 1);
    IS(cuStreamCreate(&stream, 8), 1);
    IS(cuCtxGetStreamPriorityRange(&least, &greatest), 0);
    IS(least == 0 && greatest < 0, 1);
    IS(cuStreamCreateWithPriority(&stream, 1, -100), 0);
    IS(cuStreamGetPriority(stream, &n), 0);
    IS(n, greatest);
    IS(cuStreamGetPriority(stream, NULL), 1);
    IS(cuStreamQuery(stream), 0);
    IS(cuStreamQuery((Handle)0x1234), 400);
    IS(cuStreamSynchronize((Handle)0x1234), 400);
    IS(cuStreamDestroy_v2(NULL), 400);
    IS(cuEventCreate(NULL, 0), 1);
    IS(cuEventCreate(&event, 256), 1);
    IS(cuEventCreate(&event, 4), 1);
    IS(cuEventCreate(&event, 0), 0);
    IS(cuEventCreate(&untimed, 2), 0);
    IS(cuEventRecord(stream, stream), 400);
    IS(cuEventRecord(event, event), 400);
    IS(cuEventQuery(event), 0);
    IS(cuEventElapsedTime(&milliseconds, event, event), 400);
    IS(cuEventRecord(event, stream), 0);
    IS(cuEventRecord(untimed, stream), 0);
    IS(cuEventElapsedTime(&milliseconds, event, untimed), 400);
    IS(cuEventElapsedTime_v2(NULL, event, event), 1);
    IS(cuEventElapsedTime_v2(&milliseconds, event, event), 0);
    IS(milliseconds == 0.0f, 1);
    IS(cuStreamWaitEvent(stream, event, 9), 1);
    IS(cuStreamWaitEvent(stream, stream, 0), 400);
    IS(cuStreamWaitEvent(stream, event, 0), 0);
    IS(cuEventSynchronize(stream), 400);
    IS(cuEventSynchronize(event), 0);

    IS(cuCtxCreate_v2(&other, 0, 0), 0);
    IS(cuStreamSynchronize(stream), 400);
    IS(cuStreamCreate(&foreign, 0), 0);
    IS(cuEventRecord(event, foreign), 400);
    IS(cuCtxDestroy_v2(other), 0);
    IS(cuStreamSynchronize(foreign), 400);

    IS(cuEventDestroy_v2(event), 0);
    IS(cuEventDestroy_v2(event), 400);
    IS(cuEventQuery(event), 400);
    IS(cuEventDestroy_v2(untimed), 0);
    IS(cuStreamDestroy_v2(stream), 0);
    IS(cuStreamDestroy_v2(stream), 400);
    IS(cuStreamQuery(stream), 400);
    return 0;
}

static int graphs(void) {
    int status = -1;
    Address memory = 0;
    Handle stream = NULL, second = NULL, event = NULL, graph = NULL, executable = NULL;
    IS(cuMemAlloc_v2(&memory, 64), 0);
    IS(cuStreamCreate(&stream, 1), 0);
    IS(cuStreamCreate(&second, 1), 0);
    IS(cuEventCreate(&event, 2), 0);
    IS(cuStreamBeginCapture_v2(NULL, 0), 900);
    IS(cuStreamBeginCapture_v2(stream, 3), 1);
    IS(cuStreamBeginCapture_v2((Handle)0x1234, 0), 400);
    IS(cuStreamEndCapture(stream, &graph), 401);
    IS(cuStreamIsCapturing(stream, NULL), 1);
    IS(cuStreamBeginCapture_v2(stream, 0), 0);
    IS(cuStreamBeginCapture_v2(stream, 0), 401);
    IS(cuStreamIsCapturing(stream, &status), 0);
    IS(status, 1);
    IS(cuStreamEndCapture(stream, NULL), 1);
    // Others must keep still, and nobody can know how far it is.
    IS(cuStreamSynchronize(stream), 900);
    IS(cuStreamIsCapturing(stream, &status), 0);
    IS(status, 2);
    IS(cuMemsetD32Async(memory, 1, 16, stream), 901);
    IS(cuStreamEndCapture(stream, &graph), 901);
    IS(graph == NULL, 1);
    Address more = 0;
    IS(cuStreamBeginCapture_v2(stream, 0), 0);
    IS(cuMemAlloc_v2(&more, 64), 900);
    IS(cuStreamEndCapture(stream, &graph), 901);
    IS(cuStreamBeginCapture_v2(stream, 0), 0);
    IS(cuMemsetD32_v2(memory, 1, 16), 900);
    IS(cuStreamEndCapture(stream, &graph), 901);
    IS(cuStreamBeginCapture_v2(stream, 2), 0);
    IS(cuMemAlloc_v2(&more, 64), 0);
    IS(cuMemFree_v2(more), 0);
    IS(cuStreamEndCapture(stream, &graph), 0);
    IS(cuGraphDestroy(graph), 0);
    // A branch that does not come back.
    IS(cuStreamBeginCapture_v2(stream, 0), 0);
    IS(cuEventRecord(event, stream), 0);
    IS(cuEventQuery(event), 907);
    IS(cuStreamWaitEvent(second, event, 0), 0);
    IS(cuMemsetD32Async(memory, 1, 16, second), 0);
    IS(cuStreamEndCapture(second, &graph), 903);
    IS(cuStreamEndCapture(stream, &graph), 904);
    // Work that is not recorded cannot be waited for.
    IS(cuEventRecord(event, second), 0);
    IS(cuStreamBeginCapture_v2(stream, 0), 0);
    IS(cuStreamWaitEvent(stream, event, 0), 905);
    IS(cuStreamEndCapture(stream, &graph), 901);
    // Two recordings do not become one.
    IS(cuStreamBeginCapture_v2(stream, 0), 0);
    IS(cuStreamBeginCapture_v2(second, 0), 0);
    IS(cuEventRecord(event, second), 0);
    IS(cuStreamWaitEvent(stream, event, 0), 902);
    IS(cuStreamEndCapture(stream, &graph), 901);
    IS(cuStreamEndCapture(second, &graph), 901);
    // Who began ends.
    IS(cuStreamBeginCapture_v2(stream, 1), 0);
    union {
        Handle context;
        int answer;
    } exchange;
    IS(cuCtxGetCurrent(&exchange.context), 0);
    shared_stream = stream;
    pthread_t thread;
    IS(pthread_create(&thread, NULL, end_elsewhere, &exchange), 0);
    IS(pthread_join(thread, NULL), 0);
    IS(exchange.answer, 908);
    IS(cuStreamEndCapture(stream, &graph), 0);

    IS(cuGraphInstantiateWithFlags(NULL, graph, 0), 1);
    IS(cuGraphInstantiateWithFlags(&executable, (Handle)0x1234, 0), 400);
    IS(cuGraphInstantiateWithFlags(&executable, graph, 4096), 1);
    IS(cuGraphInstantiateWithFlags(&executable, graph, 0), 0);
    IS(cuGraphLaunch(graph, stream), 400);
    IS(cuGraphLaunch(executable, (Handle)0x1234), 400);
    IS(cuGraphLaunch(executable, stream), 0);
    IS(cuGraphDestroy(executable), 400);
    IS(cuGraphDestroy(graph), 0);
    IS(cuGraphDestroy(graph), 400);
    IS(cuGraphExecDestroy(executable), 0);
    IS(cuGraphExecDestroy(executable), 400);
    IS(cuGraphLaunch(executable, stream), 400);
    IS(cuEventDestroy_v2(event), 0);
    IS(cuStreamDestroy_v2(second), 0);
    IS(cuStreamDestroy_v2(stream), 0);
    IS(cuMemFree_v2(memory), 0);
    return 0;
}

int main(int count, char **arguments) {
    FILE *file = count > 1 ? fopen(arguments[1], "r") : NULL;
    if (file == NULL) {
        return 2;
    }
    size_t length = fread(ptx, 1, sizeof ptx - 1, file);
    fclose(file);
    if (length == 0) {
        return 2;
    }
    int wrong = before_the_start() || devices() || contexts() || memory() || modules() || streams_and_events() || graphs();
    Handle last = NULL;
    if (!wrong) {
        IS(cuCtxGetCurrent(&last), 0);
        IS(cuCtxDestroy_v2(last), 0);
    }
    return wrong;
}
