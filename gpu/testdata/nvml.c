/* A stand-in for NVIDIA's libnvidia-ml.so.1: two devices, of which the second reports no
 * utilization and no power. Types and values follow nvml.h. */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *device;
enum { SUCCESS = 0, INVALID = 2, UNSUPPORTED = 3 };

static char devices[2];
static int index_of(device d) { return (int)((char *)d - devices); }

static int copy(char *to, unsigned length, const char *from) {
    if (strlen(from) >= length) return 7; /* insufficient size */
    strcpy(to, from);
    return SUCCESS;
}

int nvmlInit_v2(void) {
    const char *order = getenv("NVML_STUB");
    if (order && !strcmp(order, "crash")) abort();
    if (order && !strcmp(order, "unloaded")) return 9;
    return SUCCESS;
}
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int r) { (void)r; return "stub"; }
int nvmlSystemGetDriverVersion(char *v, unsigned n) { return copy(v, n, "580.65.06"); }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, device *d) {
    if (i > 1) return INVALID;
    *d = &devices[i];
    return SUCCESS;
}
int nvmlDeviceGetUUID(device d, char *v, unsigned n) {
    return copy(v, n, index_of(d) ? "GPU-22222222-2222-2222-2222-222222222222" : "GPU-11111111-1111-1111-1111-111111111111");
}
int nvmlDeviceGetName(device d, char *v, unsigned n) {
    return copy(v, n, index_of(d) ? "NVIDIA T4" : "NVIDIA H200");
}
int nvmlDeviceGetMemoryInfo(device d, unsigned long long *m) {
    m[0] = index_of(d) ? 16ull << 30 : 141ull << 30;
    m[2] = 1ull << 30;
    m[1] = m[0] - m[2];
    return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(device d, unsigned *u) {
    if (index_of(d)) return UNSUPPORTED;
    u[0] = 37;
    u[1] = 12;
    return SUCCESS;
}
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *t) {
    if (sensor != 0) return INVALID;
    *t = 41 + index_of(d);
    return SUCCESS;
}
int nvmlDeviceGetPowerUsage(device d, unsigned *p) {
    if (index_of(d)) return UNSUPPORTED;
    *p = 123456;
    return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(device d, int *major, int *minor) {
    *major = index_of(d) ? 7 : 9;
    *minor = index_of(d) ? 5 : 0;
    return SUCCESS;
}
struct pci {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char address[32];
};
int nvmlDeviceGetPciInfo_v3(device d, struct pci *p) {
    memset(p, 0, sizeof *p);
    snprintf(p->address, sizeof p->address, "00000000:%02X:00.0", 1 + index_of(d));
    return SUCCESS;
}
