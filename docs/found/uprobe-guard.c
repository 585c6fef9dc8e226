// Expected: a probe is set in all processes that can take it, and can be removed (twin: PROT_NONE).
// Linux 7.3.4: a guard page in one process makes the probe fail for all. A guard page that comes later
// makes it stay: another probe with a counter says EINVAL. Needs root for the probe. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int file;

// Probes the first instruction of the file in all processes, until the result is closed.
static int probe(long counter)
{
	int kind = open("/sys/bus/event_source/devices/uprobe/type", O_RDONLY);
	char text[16] = "";

	read(kind, text, 15), close(kind);
	struct perf_event_attr attr = { .type = atoi(text), .size = sizeof(attr), .uprobe_path = (long)"code", .config = counter << 32 };
	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static const unsigned char code[8192] = { 0x90, 0xb8, 7, 0, 0, 0, 0xc3 }; // nop; return 7
static void none(void *p) { mprotect(p, 4096, PROT_NONE); }
static void guard(void *p)
{
	if (madvise(p, 4096, 102 /* MADV_GUARD_INSTALL */))
		perror("MADV_GUARD_INSTALL"), exit(2);
}

// A probe of a new file that another mapping denies before. Then one that it denies later, and a new one.
static int try(void (*deny)(void *), int later)
{
	int event, result;
	void *other;

	unlink("code"), file = open("code", O_RDWR | O_CREAT, 0755), write(file, code, 8192);
	other = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	if (!later)
		deny(other);
	event = probe(0), result = event < 0;
	if (later)
		deny(other), close(event), munmap(other, 4096), sleep(1), event = probe(4096), result = event < 0;
	return close(event), close(file), result;
}

int main(void)
{
	if (try(none, 0) || try(none, 1))
		return puts("cannot be run: the twin fails"), 2;
	int first = try(guard, 0), later = try(guard, 1);
	printf(first || later ? "BROKEN: one process with a guard page: no process can be probed: %d; the probe cannot be replaced: %d (with PROT_NONE: 0 and 0)\n" : "ok\n", first, later);
	return first || later;
}
