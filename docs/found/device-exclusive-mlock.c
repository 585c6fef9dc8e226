// Expected: mlock locks pages that a device uses exclusively, and munlock unlocks them.
// Linux 7.3.4: neither. Mlocked: of /proc/meminfo does not count pages that mlock has locked, and counts
// pages that munlock has unlocked, which reclaim then leaves alone. Needs CONFIG_TEST_HMM and root.
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (64 * 4096L)
static char mirror[SIZE];

static int mlocked(void)
{
	static char text[4096];
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	return atoi(strstr(text, "Mlocked:") + 8);
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR), before = mlocked();
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, SIZE);
	ioctl(dmirror, _IOWR('H', 5, long[5]), (long[5]){ (long)p, (long)mirror, 64 }); // exclusive access
	mlock(p, SIZE);
	int locked = mlocked() - before;
	munlock(p, SIZE), mlock(p, SIZE);
	ioctl(dmirror, _IOWR('H', 5, long[5]), (long[5]){ (long)p, (long)mirror, 64 });
	munlock(p, SIZE);
	int unlocked = mlocked() - before, broken = locked < 128 || unlocked > 128;
	printf(broken ? "BROKEN: of 256 kB %d are locked after mlock, and %d after munlock\n" : "ok\n", locked, unlocked);
	return broken;
}
