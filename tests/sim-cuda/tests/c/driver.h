// The functions of the CUDA driver that these programs call, as the driver's own header declares them. Every handle is
// an address that nobody follows.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef void *Handle;
typedef uint64_t Address;

int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuGetErrorName(int number, const char **name);
int cuGetErrorString(int number, const char **text);
int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status);

int cuDeviceGetCount(int *count);
int cuDeviceGet(int *device, int ordinal);
int cuDeviceGetName(char *name, int length, int device);
int cuDeviceGetUuid(void *uuid, int device);
int cuDeviceGetUuid_v2(void *uuid, int device);
int cuDeviceTotalMem_v2(size_t *bytes, int device);
int cuDeviceGetPCIBusId(char *address, int length, int device);
int cuDeviceGetByPCIBusId(int *device, const char *address);
int cuDeviceGetAttribute(int *value, int attribute, int device);
int cuDeviceCanAccessPeer(int *answer, int device, int peer);

int cuDevicePrimaryCtxRetain(Handle *context, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuDevicePrimaryCtxReset_v2(int device);
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active);
int cuCtxCreate_v2(Handle *context, unsigned flags, int device);
int cuCtxDestroy_v2(Handle context);
int cuCtxSetCurrent(Handle context);
int cuCtxGetCurrent(Handle *context);
int cuCtxPushCurrent_v2(Handle context);
int cuCtxPopCurrent_v2(Handle *context);
int cuCtxGetDevice(int *device);
int cuCtxSynchronize(void);
int cuCtxGetStreamPriorityRange(int *least, int *greatest);
int cuCtxEnablePeerAccess(Handle peer, unsigned flags);
int cuCtxDisablePeerAccess(Handle peer);
int cuCtxGetApiVersion(Handle context, unsigned *version);

int cuMemGetInfo_v2(size_t *available, size_t *total);
int cuMemAlloc_v2(Address *address, size_t bytes);
int cuMemFree_v2(Address address);
int cuMemHostAlloc(void **address, size_t bytes, unsigned flags);
int cuMemFreeHost(void *address);
int cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes);
int cuMemcpyDtoH_v2(void *to, Address from, size_t bytes);
int cuMemcpyDtoD_v2(Address to, Address from, size_t bytes);
int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, Handle stream);
int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, Handle stream);
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Handle stream);
int cuMemcpyPeerAsync(Address to, Handle to_context, Address from, Handle from_context, size_t bytes, Handle stream);
int cuMemsetD8Async(Address to, unsigned char byte, size_t count, Handle stream);
int cuMemsetD32_v2(Address to, unsigned word, size_t count);
int cuMemsetD32Async(Address to, unsigned word, size_t count, Handle stream);

int cuModuleLoadData(Handle *module, const void *image);
int cuModuleLoadDataEx(Handle *module, const void *image, unsigned count, int *options, void **values);
int cuModuleUnload(Handle module);
int cuModuleGetFunction(Handle *function, Handle module, const char *name);
int cuModuleGetGlobal_v2(Address *address, size_t *bytes, Handle module, const char *name);
int cuFuncGetAttribute(int *value, int attribute, Handle function);
int cuLaunchKernel(Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared, Handle stream, void **parameters, void **extra);

int cuStreamCreate(Handle *stream, unsigned flags);
int cuStreamCreateWithPriority(Handle *stream, unsigned flags, int priority);
int cuStreamDestroy_v2(Handle stream);
int cuStreamSynchronize(Handle stream);
int cuStreamQuery(Handle stream);
int cuStreamGetPriority(Handle stream, int *priority);
int cuStreamWaitEvent(Handle stream, Handle event, unsigned flags);
int cuStreamBeginCapture_v2(Handle stream, int mode);
int cuStreamEndCapture(Handle stream, Handle *graph);
int cuStreamIsCapturing(Handle stream, int *status);
int cuEventCreate(Handle *event, unsigned flags);
int cuEventDestroy_v2(Handle event);
int cuEventRecord(Handle event, Handle stream);
int cuEventSynchronize(Handle event);
int cuEventQuery(Handle event);
int cuEventElapsedTime(float *milliseconds, Handle start, Handle end);
int cuEventElapsedTime_v2(float *milliseconds, Handle start, Handle end);
int cuGraphInstantiateWithFlags(Handle *executable, Handle graph, unsigned long long flags);
int cuGraphLaunch(Handle executable, Handle stream);
int cuGraphDestroy(Handle graph);
int cuGraphExecDestroy(Handle executable);

// Ends the program with the number of the line whose answer is not the expected one. The shell sees only a byte, so
// that the line is printed too.
#define IS(call, code)                                                                                                 \
    do {                                                                                                               \
        int answer_ = (call);                                                                                          \
        if (answer_ != (code)) {                                                                                       \
            fprintf(stderr, "line %d: %s answered %d\n", __LINE__, #call, answer_);                                    \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)
