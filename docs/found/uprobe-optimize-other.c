// Expected: a probe leaves a program as it was (uprobes; twin: the same without the other process).
// Linux 7.3.4: if another process maps the file where no page within 2 GB is free, and calls it,
// then a second probe and the end of both leave garbage in this process's code. Needs root. cc -static
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

static int far(void) // the other process: calls the same file, where 4 GB around it are taken
{
	char *all = mmap(0, 0x110000000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int (*f)(void) = mmap(all + 0x88000000, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0);

	return all == MAP_FAILED ? 2 : f();
}

// Calls f on a stack that begins 64 bytes above a multiple of 64 kB.
static int (*called)(void);
static int on_stack(void)
{
	char *at = mmap(0, 0x40000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long result;

	at = (char *)(((long)at + 0x1ffff) & -0x10000) + 0x48;
	asm volatile("mov %%rsp, %%r12; mov %1, %%rsp; call *%2; mov %%r12, %%rsp" : "=a"(result) : "r"(at), "r"(called) : "r12", "rcx", "r11", "memory");
	return result;
}

// Two probes of the function begin and end. What does it return then?
static int try(int other)
{
	int first, second;

	unlink("code"), file = open("code", O_RDWR | O_CREAT, 0755), write(file, code, 4096);
	called = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	if ((first = probe()) < 0)
		perror("probe"), exit(2);
	called();
	if (other && run(far) != 7)
		exit(2);
	second = probe(), close(first), close(second);
	return run(on_stack);
}

int main(void)
{
	int alone = try(0), other = try(1);

	if (alone != 7)
		return printf("the twin fails: %d\n", alone), 2;
	if (other == 7)
		return puts("ok"), 0;
	printf("BROKEN: after two probes have ended, a function returns %d; if another process has called it, too, %d (1000 + n: signal n); its code is", alone, other);
	for (int i = 0; i < 6; i++)
		printf(" %02x", ((unsigned char *)called)[i]);
	return puts(", not 66 2e 0f 1f 84"), 1;
}
