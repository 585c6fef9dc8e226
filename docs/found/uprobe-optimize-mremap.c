// Expected: a probed function that mremap moves works as before (twin: a probe of another instruction).
// Linux 7.3.4: the probe's call is relative, and calls whatever lies at its old distance. Needs root.
// cc -static
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

// A function of 4096 bytes: a nop of 10 bytes, which a probe may replace by a call; return 7.
static const unsigned char code[4096] = { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0xb8, 7, 0, 0, 0, 0xc3 };
static int file;

// Probes the first instruction of the file in all processes, until the result is closed.
static int probe(void)
{
	int type = 0, kind = open("/sys/bus/event_source/devices/uprobe/type", O_RDONLY);
	char text[16] = "";

	read(kind, text, 15), close(kind), type = atoi(text);
	struct perf_event_attr attr = { .type = type, .size = sizeof(attr), .uprobe_path = (long)"code", .probe_offset = 0 };
	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static int run(int (*f)(void)) // what a child gets from f, or 1000 and the signal that ends it
{
	int status = 0;

	if (!fork())
		_exit(f());
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Probes a nop of 10 bytes, or of 1 byte; calls the function; moves it; calls it, then without probe.
static void try(int nop, int *results)
{
	int (*f)(void), first;
	unsigned char other[4096] = { 0x90, 0xb8, 7, 0, 0, 0, 0xc3 };

	unlink("code"), file = open("code", O_RDWR | O_CREAT, 0755), write(file, nop == 10 ? code : other, 4096);
	f = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	if ((first = probe()) < 0)
		perror("probe"), exit(2);
	f();
	f = mremap(f, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x600000000000);
	if (f == MAP_FAILED)
		perror("mremap"), exit(2);
	results[0] = run(f), close(first), results[1] = run(f);
}

int main(void)
{
	int one[2], ten[2];

	try(1, one), try(10, ten);
	int broken = one[0] == 7 && one[1] == 7 && (ten[0] != 7 || ten[1] != 7);
	printf(broken ? "BROKEN: a probed function that was moved returns %d, and %d after the probe has ended; with a probe of another instruction, %d and %d (1000 + n: signal n)\n" : "ok\n", ten[0], ten[1], one[0], one[1]);
	return broken;
}
