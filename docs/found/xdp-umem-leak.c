// Expected: an XDP_UMEM_REG that fails locks no memory of the user. Linux 7.3.4: if only a part of the
// range is mapped, the pages that could not be pinned count for ever. After some such calls the user can
// lock nothing more. Needs CONFIG_XDP_SOCKETS; the user has CAP_NET_RAW, not CAP_IPC_LOCK. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LIMIT (256 * 4096)

static int reg(char *p, long pages)
{
	struct xdp_umem_reg umem = { .addr = (long)p, .len = pages * 4096, .chunk_size = 4096 };
	int s = socket(AF_XDP, SOCK_RAW, 0), error = s < 0 || setsockopt(s, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) ? errno : 0;

	close(s), usleep(100000);
	return error;
}

int main(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 1 << CAP_NET_RAW, 1 << CAP_NET_RAW } };
	char *p = mmap(0, 512 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int before, hole, after, first;

	if (prctl(PR_SET_KEEPCAPS, 1) || setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ LIMIT, LIMIT }) ||
	    setuid(1000) || syscall(SYS_capset, &head, caps))
		return perror("capset"), 2;
	munmap(p + 64 * 4096, 448 * 4096);
	if ((before = reg(p, 64)))
		return printf("XDP_UMEM_REG: %s\n", strerror(before)), 2;
	for (int i = 0; i < 9; i++)
		reg(p + 64 * 4096, 64);	// no page is mapped
	hole = reg(p, 64);
	for (int i = 0; i < 9; i++)
		i ? reg(p + 63 * 4096, 64) : (first = reg(p + 63 * 4096, 64));	// one page is mapped
	after = reg(p, 64);
	if (!after)
		return puts("ok"), 0;
	printf("BROKEN: after calls that fail (%s) a user can lock no memory any more: %s; after calls with no page: %d\n", strerror(first), strerror(after), hole);
	return 1;
}
