// SPDX-License-Identifier: GPL-2.0
/*
 * Migrations that are held open between their phases. Each has a thread of its own, which keeps
 * mmap_lock and a reference to the address space from setup to end. It waits at a gate after the
 * setup phase and after the pages phase.
 */
#include <linux/kthread.h>
#include <linux/slab.h>

#include "internal.h"

/* Waits until the program lets a migration go on. */
void mmfuzz_gate(struct held_migration *held)
{
	if (!held->stepwise)
		return;
	held->phase = AT_GATE;
	wake_up_all(&held->wait);
	while (!wait_event_timeout(held->wait, held->go, HZ / 10)) {
		/*
		 * If the owner was killed and has not begun to exit, it waits for this migration in
		 * an uninterruptible sleep. So it cannot open the gate.
		 */
		if (fatal_signal_pending(held->owner) && !(held->owner->flags & PF_EXITING)) {
			held->stepwise = false;
			held->phase = RUNNING;
			break;
		}
	}
	held->go = false;
}

int mmfuzz_migration_thread(void *data)
{
	struct held_migration *held = data;

	/*
	 * A task that waits for a folio of this migration must run only when the migration sleeps
	 * or has ended, not where the migration merely offers the CPU. One such place is mmput()
	 * below, which may tear down an address space that maps the folio.
	 */
	sched_set_fifo_low(current);
	mmfuzz_migrate_range(held);
	mmput(held->mm);
	held->phase = ENDED;
	wake_up_all(&held->wait);
	return 0;
}

/* Waits for a migration's next gate (1) or its end (0); -ERESTARTSYS if the caller is killed. */
static int await_phase(struct held_migration *held)
{
	int ret = wait_event_killable(held->wait, held->phase != RUNNING);

	return ret ?: held->phase == AT_GATE;
}

static void free_migration(struct held_migration *held)
{
	kthread_stop(held->task);
	put_task_struct(held->task);
	put_task_struct(held->owner);
	kfree(held);
}

/* Waits for the end of a phase. A migration that has ended frees its slot. */
static long finish_phase(struct session *session, unsigned int slot, __u64 *open)
{
	struct held_migration *held = session->migrations[slot];
	int ret = await_phase(held);

	mmfuzz_pass_stops(held->task, current);
	if (ret < 0)
		return ret;
	*open = ret ? MMFUZZ_OPEN : 0;
	if (!ret) {
		mutex_lock(&session->mutex);
		session->migrations[slot] = NULL;
		mutex_unlock(&session->mutex);
		free_migration(held);
	}
	return 0;
}

long mmfuzz_setup(struct session *session, struct mmfuzz_range *range)
{
	struct mirror *mirror = mmfuzz_find_mirror(session, current->mm);
	struct held_migration *held;
	int slot;

	if (!mirror)
		return -ENOENT;
	held = mmfuzz_new_migration(mirror, range);
	if (!held)
		return -ENOMEM;
	init_waitqueue_head(&held->wait);
	held->stepwise = true;
	mutex_lock(&session->mutex);
	for (slot = 0; slot < MMFUZZ_MAX_MIGRATIONS && session->migrations[slot]; slot++)
		;
	if (slot < MMFUZZ_MAX_MIGRATIONS)
		session->migrations[slot] = held;
	mutex_unlock(&session->mutex);
	if (slot == MMFUZZ_MAX_MIGRATIONS) {
		kfree(held);
		return -ENOSPC;
	}
	held->task = kthread_create(mmfuzz_migration_thread, held, "mmfuzz/%d", slot);
	if (IS_ERR(held->task)) {
		session->migrations[slot] = NULL;
		kfree(held);
		return -ENOMEM;
	}
	get_task_struct(held->task);
	held->owner = get_task_struct(current);
	mmget(held->mm);
	mmfuzz_pass_stops(current, held->task);
	wake_up_process(held->task);
	range->result = slot;
	return finish_phase(session, slot, &range->word);
}

/* Lets a migration go on to its next gate or its end. */
long mmfuzz_next_phase(struct session *session, struct mmfuzz_slot *arg)
{
	struct held_migration *held;
	__u64 open = 0;
	long ret;

	if (arg->slot >= MMFUZZ_MAX_MIGRATIONS)
		return -EINVAL;
	mutex_lock(&session->mutex);
	held = session->migrations[arg->slot];
	if (held && held->phase == AT_GATE)
		held->phase = RUNNING;
	else
		held = NULL;
	mutex_unlock(&session->mutex);
	if (!held)
		return -ENOENT;
	/* device pages of locked VMAs are freed here, and not in the midst of the migration */
	lru_add_drain();
	held->skip = arg->skip;
	mmfuzz_pass_stops(current, held->task);
	held->go = true;
	wake_up_all(&held->wait);
	ret = finish_phase(session, arg->slot, &open);
	arg->open = open;
	return ret;
}

/* Lets all migrations of a session go on to their ends. */
void mmfuzz_end_migrations(struct session *session)
{
	int i;

	for (i = 0; i < MMFUZZ_MAX_MIGRATIONS; i++) {
		struct held_migration *held = session->migrations[i];

		if (!held)
			continue;
		held->stepwise = false;
		held->go = true;
		wake_up_all(&held->wait);
		wait_event(held->wait, held->phase == ENDED);
		session->migrations[i] = NULL;
		free_migration(held);
	}
}
