// SPDX-License-Identifier: GPL-2.0
/*
 * Stops tasks inside the kernel: at the places of places.c, where the program's plan says so.
 *
 * At the entry of such a function, ftrace calls trampoline.S directly, which calls this file. All
 * of this runs in the context of the task, with nothing else held or disabled. So the task may
 * sleep wherever the function itself might have been preempted. It sleeps until the director
 * releases it or the session is reset. A task in an RCU read-side section leaves it meanwhile. Only
 * page tables of the window are used in such a section here, and nobody frees these while mmap_lock
 * is held.
 *
 * Before an operation with stops begins, its thread announces them. From then on the driver counts
 * how often the thread is at the places. If the operation drives a migration that is held open, the
 * thread of that migration stops.
 */
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/swap.h>
#include <linux/wait.h>

#include "internal.h"
#include "stop.h"

/* Operations of a program that may be under way at once. */
#define MAX_STOPPABLE 8

/* A function in the table. */
struct function {
	unsigned long goes_on;	/* the address that its call of ftrace returns to */
	u64 entry, ret;		/* places at its entry, and at its return */
	bool finds_area;	/* it finds a VMA without mmap_lock */
};

enum state { UNUSED, GOING, AT_STOP, OVER };

/* An operation with stops. */
struct stoppable {
	struct task_struct *task;
	struct mmfuzz_stops stops;
	enum state state;
	unsigned int next;	/* the stop that comes next */
	bool of_window;		/* the task handles a fault in the window */
	u64 returning;		/* returns that will count, because the call works on the window */
	bool failed;
	struct {
		unsigned int stage, count;
	} at[MMFUZZ_MAX_STOPS];
};

static struct stoppable operations[MAX_STOPPABLE];
static DEFINE_SPINLOCK(operations_lock);
static DECLARE_WAIT_QUEUE_HEAD(stopped_wait);
static DECLARE_WAIT_QUEUE_HEAD(released_wait);

/* The program has stops. */
static bool active;
static DEFINE_MUTEX(register_mutex);
static bool registered;
static struct function functions[MMFUZZ_PLACES + 1];
static unsigned int nr_functions;
static u64 present;	/* places that this kernel has */
static u64 in_rcu;	/* those in an RCU read-side section */
static unsigned long callers[MMFUZZ_PLACES][2];
static unsigned long window_start, window_end;

void mmfuzz_enter(void);
void mmfuzz_enter_and_return(void);
bool mmfuzz_entered(unsigned long goes_on, unsigned long *args, unsigned long caller);
void mmfuzz_returned(unsigned long goes_on);

static struct function *function_at(unsigned long goes_on)
{
	unsigned int low = 0, high = nr_functions;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (functions[mid].goes_on < goes_on)
			low = mid + 1;
		else
			high = mid;
	}
	return low < nr_functions && functions[low].goes_on == goes_on ? &functions[low] : NULL;
}

static struct stoppable *operation_of(struct task_struct *task)
{
	int i;

	for (i = 0; i < MAX_STOPPABLE; i++)
		if (operations[i].state == GOING && operations[i].task == task)
			return &operations[i];
	return NULL;
}

static bool in_window(unsigned long addr)
{
	return addr >= window_start && addr < window_end;
}

static bool is_of_window(struct stoppable *op, const struct mmfuzz_place *place, unsigned long *args)
{
	switch (place->of) {
	case OF_ANYTHING:
		return true;
	case OF_ADDRESS:
		return in_window(args[place->arg]);
	case OF_AREA:
		return in_window(((struct vm_area_struct *)args[place->arg])->vm_start);
	case OF_VMF:
		return in_window(((struct vm_fault *)args[0])->address);
	case OF_FAULT:
		return op->of_window;
	case OF_RANGE: {
		struct mmu_notifier_range *range = (void *)args[place->arg];

		return range->start < window_end && range->end > window_start;
	}
	}
	return false;
}

static bool is_reached(const struct stoppable *op, unsigned int stop)
{
	return op->at[stop].stage == op->stops.stops[stop].stages;
}

/*
 * The RCU read-side sections that the task is in, if it is at these places. A kernel without
 * PREEMPT_RCU disables preemption in such a section, and does not count the sections by themselves.
 */
static int rcu_depth(u64 places)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RCU))
		return rcu_preempt_depth();
	return places & in_rcu && preempt_count() == 1;
}

/* Waits at a stop, at one of these places, until the director lets the task go on. */
static void wait_there(struct stoppable *op, u64 places)
{
	int i, depth = rcu_depth(places);

	if (preempt_count() > (IS_ENABLED(CONFIG_PREEMPT_RCU) ? 0 : depth) || irqs_disabled()) {
		op->failed = true;
		return;
	}
	for (i = 0; i < depth; i++)
		rcu_read_unlock();
	/* references of LRU batches would make migrations of other tasks fail */
	lru_add_drain();
	spin_lock(&operations_lock);
	if (op->state == GOING)
		op->state = AT_STOP;
	spin_unlock(&operations_lock);
	wake_up_all(&stopped_wait);
	wait_event_killable(released_wait, READ_ONCE(op->state) != AT_STOP);
	for (i = 0; i < depth; i++)
		rcu_read_lock();
}

/* The task is at these places. */
static void arrive(struct stoppable *op, u64 places)
{
	unsigned int i;

	for (i = op->next; i < op->stops.count; i++) {
		const struct mmfuzz_stop *stop = &op->stops.stops[i];
		unsigned int stage = op->at[i].stage;

		if (stage == stop->stages || !(stop->places[stage] & places))
			continue;
		if (++op->at[i].count == stop->times[stage]) {
			op->at[i].stage++;
			op->at[i].count = 0;
		}
	}
	for (i = op->next + 1; i < op->stops.count; i++)
		if (is_reached(op, i) && !is_reached(op, op->next))
			op->failed = true;
	while (op->next < op->stops.count && is_reached(op, op->next) && op->state == GOING) {
		op->next++;
		wait_there(op, places);
	}
}

/* Those of @places that count: the function has the right caller and works on the window. */
static u64 counting(struct stoppable *op, u64 places, unsigned long *args, unsigned long caller)
{
	u64 left;

	for (left = places; left; left &= left - 1) {
		unsigned int i = __ffs64(left);
		const struct mmfuzz_place *place = &mmfuzz_places[i];

		if ((place->caller && (caller < callers[i][0] || caller >= callers[i][1])) ||
		    !is_of_window(op, place, args))
			places &= ~BIT_ULL(i);
	}
	return places;
}

/* A function is entered. Returns true if it is not to run. */
bool mmfuzz_entered(unsigned long goes_on, unsigned long *args, unsigned long caller)
{
	struct function *function;
	struct stoppable *op;
	u64 places;

	if (!READ_ONCE(active) || !in_task())
		return false;
	function = function_at(goes_on);
	if (!function)
		return false;
	/*
	 * A fault in the model always takes mmap_lock. So for faults in the window,
	 * lock_vma_under_rcu() finds no VMA, as may happen at any time, and the kernel takes
	 * mmap_lock. Faults of the agent itself should not wait for mmap_lock, which a stopped task
	 * may hold.
	 */
	if (function->finds_area)
		return in_window(args[1]);
	op = operation_of(current);
	if (!op)
		return false;
	places = counting(op, function->entry | function->ret, args, caller);
	if (function->entry & BIT_ULL(MMFUZZ_AT_FAULT))
		op->of_window = places;
	op->returning = (op->returning & ~function->ret) | (places & function->ret);
	if (places & function->entry)
		arrive(op, places & function->entry);
	return false;
}

/* A function returns. */
void mmfuzz_returned(unsigned long goes_on)
{
	struct function *function;
	struct stoppable *op;
	u64 places;

	if (!READ_ONCE(active) || !in_task())
		return;
	function = function_at(goes_on);
	op = function ? operation_of(current) : NULL;
	if (!op)
		return;
	places = op->returning & function->ret;
	op->returning &= ~function->ret;
	if (places)
		arrive(op, places);
}

static int by_address(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return x->goes_on < y->goes_on ? -1 : x->goes_on > y->goes_on;
}

/* The function with this name; NULL if this kernel has none that ftrace follows. */
static struct function *function_named(const char *name)
{
	unsigned long addr = kallsyms_lookup_name(name);
	unsigned int i;

	addr = addr ? ftrace_location(addr) : 0;
	if (!addr)
		return NULL;
	addr += MCOUNT_INSN_SIZE;
	for (i = 0; i < nr_functions; i++)
		if (functions[i].goes_on == addr)
			return &functions[i];
	functions[nr_functions].goes_on = addr;
	return &functions[nr_functions++];
}

/*
 * The first address of a function, and the address behind its end. False if this kernel does not
 * have it.
 */
static bool extent_of(const char *name, unsigned long extent[2])
{
	unsigned long size, offset;

	extent[0] = kallsyms_lookup_name(name);
	if (!extent[0] || !kallsyms_lookup_size_offset(extent[0], &size, &offset))
		return false;
	extent[1] = extent[0] + size;
	return true;
}

/*
 * Tells ftrace to send the entries of functions to a trampoline: the functions that have a place at
 * their return if @returns, otherwise all others.
 */
static int follow(struct ftrace_ops *ops, void (*trampoline)(void), bool returns)
{
	unsigned long addrs[MMFUZZ_PLACES + 1];
	unsigned int i, n = 0;
	int ret;

	for (i = 0; i < nr_functions; i++)
		if (!functions[i].ret == !returns)
			addrs[n++] = functions[i].goes_on - MCOUNT_INSN_SIZE;
	if (!n)
		return 0;
	ret = ftrace_set_filter_ips(ops, addrs, n, 0, 1);
	return ret ?: register_ftrace_direct(ops, (unsigned long)trampoline);
}

static int register_places(void)
{
	static struct ftrace_ops entries, returns;
	struct function *function;
	int i, ret;

	for (i = 0; i < MMFUZZ_PLACES; i++) {
		const struct mmfuzz_place *place = &mmfuzz_places[i];

		function = NULL;
		if (place->function && (!place->caller || extent_of(place->caller, callers[i])))
			function = function_named(place->function);
		if (!function)
			continue;
		present |= BIT_ULL(i);
		if (place->in_rcu)
			in_rcu |= BIT_ULL(i);
		if (place->returns)
			function->ret |= BIT_ULL(i);
		else
			function->entry |= BIT_ULL(i);
	}
	function = function_named("lock_vma_under_rcu");
	if (function)
		function->finds_area = true;
	sort(functions, nr_functions, sizeof(*functions), by_address, NULL);
	ret = follow(&entries, mmfuzz_enter, false);
	return ret ?: follow(&returns, mmfuzz_enter_and_return, true);
}

/* Begins a program with stops. */
long mmfuzz_begin_stops(struct mmfuzz_schedule *arg)
{
	int ret = 0;

	mutex_lock(&register_mutex);
	if (!registered) {
		ret = register_places();
		registered = !ret;
	}
	mutex_unlock(&register_mutex);
	if (ret)
		return ret;
	window_start = arg->start;
	window_end = arg->end;
	arg->present = present;
	WRITE_ONCE(active, true);
	return 0;
}

/* Ends the program: all tasks go on. */
void mmfuzz_end_stops(void)
{
	int i;

	if (!active)
		return;
	WRITE_ONCE(active, false);
	spin_lock(&operations_lock);
	for (i = 0; i < MAX_STOPPABLE; i++)
		operations[i].state = UNUSED;
	spin_unlock(&operations_lock);
	wake_up_all(&released_wait);
}

/* Announces the stops of the operation that the caller begins. */
long mmfuzz_arm_stops(const struct mmfuzz_stops *stops)
{
	long ret = -ENOSPC;
	int i, j;

	if (!stops->count || stops->count > MMFUZZ_MAX_STOPS)
		return -EINVAL;
	for (i = 0; i < stops->count; i++) {
		if (!stops->stops[i].stages || stops->stops[i].stages > MMFUZZ_MAX_STAGES)
			return -EINVAL;
		for (j = 0; j < stops->stops[i].stages; j++)
			if (!(stops->stops[i].places[j] & present))
				return -ENODEV;
	}
	spin_lock(&operations_lock);
	for (i = 0; i < MAX_STOPPABLE; i++) {
		if (operations[i].state != UNUSED && operations[i].state != OVER)
			continue;
		operations[i] = (struct stoppable){ .task = current, .stops = *stops, .state = GOING };
		ret = 0;
		break;
	}
	spin_unlock(&operations_lock);
	return ret;
}

/* The operation of the caller has ended. */
long mmfuzz_disarm_stops(void)
{
	struct stoppable *op = operation_of(current);

	if (op)
		WRITE_ONCE(op->state, OVER);
	wake_up_all(&stopped_wait);
	return 0;
}

/*
 * Moves the stops of an operation from one task to another: from the caller to the migration thread
 * that it drives, or back.
 */
void mmfuzz_pass_stops(struct task_struct *from, struct task_struct *to)
{
	struct stoppable *op = operation_of(from);

	if (op)
		op->task = to;
}

static struct stoppable *operation_numbered(u32 step)
{
	int i;

	for (i = 0; i < MAX_STOPPABLE; i++)
		if (operations[i].state != UNUSED && operations[i].stops.step == step)
			return &operations[i];
	return NULL;
}

static bool runs(u32 step)
{
	struct stoppable *op = operation_numbered(step);

	return !op || READ_ONCE(op->state) == GOING;
}

/* Waits until an operation is at its next stop or has ended. */
long mmfuzz_await_stop(struct mmfuzz_at *at)
{
	struct stoppable *op;

	if (wait_event_killable_timeout(stopped_wait, !runs(at->step), msecs_to_jiffies(at->patience)) < 0)
		return -EINTR;
	op = operation_numbered(at->step);
	at->state = !op || op->state == GOING ? MMFUZZ_RUNS : op->state == AT_STOP ? MMFUZZ_STOPPED : MMFUZZ_ENDED;
	if (op && op->failed)
		at->state = MMFUZZ_ASTRAY;
	at->passed = op ? op->next : 0;
	return 0;
}

/* Lets a stopped operation go on. */
long mmfuzz_go_on(const struct mmfuzz_at *at)
{
	struct stoppable *op = operation_numbered(at->step);
	long ret = -ENOENT;

	lru_add_drain();
	spin_lock(&operations_lock);
	if (op && op->state == AT_STOP) {
		op->state = GOING;
		ret = 0;
	}
	spin_unlock(&operations_lock);
	wake_up_all(&released_wait);
	return ret;
}
