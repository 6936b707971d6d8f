/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fault.h"

#include "base/json.h"

#include <string.h>

/* Bytes of its code, at most. */
#define ALLOCATOR_SIZE 128

/* What a stub pushes, the last first; see fault_gate. */
struct call {
	long xmm[16];
	long rax, r9, r8, rcx, rdx, rsi, rdi;
	uintptr_t real;
	long function;
	uintptr_t caller;
};

/*
 * Every stub comes here with its number and the real function on the stack. Whatever the function
 * takes is in the registers, so that all signatures are served, variadic ones too.
 */
__asm__(".text\n.globl fault_gate\n.hidden fault_gate\n"
	"fault_gate:\n"
	"pushq %rdi\npushq %rsi\npushq %rdx\npushq %rcx\npushq %r8\npushq %r9\npushq %rax\n"
	"subq $128, %rsp\n"
	"movups %xmm0, 0(%rsp)\nmovups %xmm1, 16(%rsp)\n"
	"movups %xmm2, 32(%rsp)\nmovups %xmm3, 48(%rsp)\n"
	"movups %xmm4, 64(%rsp)\nmovups %xmm5, 80(%rsp)\n"
	"movups %xmm6, 96(%rsp)\nmovups %xmm7, 112(%rsp)\n"
	"movq %rsp, %rdi\n"
	"call fault_decide\n"
	"movups 0(%rsp), %xmm0\nmovups 16(%rsp), %xmm1\n"
	"movups 32(%rsp), %xmm2\nmovups 48(%rsp), %xmm3\n"
	"movups 64(%rsp), %xmm4\nmovups 80(%rsp), %xmm5\n"
	"movups 96(%rsp), %xmm6\nmovups 112(%rsp), %xmm7\n"
	"leaq 128(%rsp), %rsp\n"
	"testl %eax, %eax\n"
	"popq %rax\npopq %r9\npopq %r8\npopq %rcx\npopq %rdx\npopq %rsi\npopq %rdi\n"
	"popq %r11\n"
	"leaq 8(%rsp), %rsp\n"
	"jnz 1f\n"
	"jmp *%r11\n"
	"1: ret\n");

/* The linker's: the code of this program ends there. */
extern const char __executable_start[], etext[];

static enum { OFF, RECORDING, ARMED } mode;
static struct fault_sites *recorded;
static struct {
	struct fault_site site;
	unsigned int call;
	struct fault_kind kind;
} armed;
static int lock;
static unsigned int calls;
static bool fired, spoke_since;
static int mappings, spoke;
static unsigned int allocations_left; /* until the one that fails */
static _Thread_local unsigned int paused;
static uintptr_t json_allocator;

static void take_lock(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void drop_lock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void note(uintptr_t caller, unsigned int function)
{
	size_t i = 0;

	while (i < recorded->count &&
	       (recorded->sites[i].caller != caller || recorded->sites[i].function != function))
		i++;
	if (i == FAULT_SITES_MAX)
		abort();
	if (i == recorded->count)
		recorded->sites[recorded->count++] = (struct fault_site){caller, function, 0};
	recorded->sites[i].calls++;
}

static bool is_function(const struct call *call, const char *name)
{
	return strcmp(fault_functions[call->function].name, name) == 0;
}

static void watch(const struct call *call)
{
	if (is_function(call, "munmap")) {
		mappings--;
	} else if (is_function(call, "fail")) {
		spoke = (int)call->rdi;
		spoke_since = fired;
	}
}

/* It is this call's turn. True when the real function is not to be called. */
static bool carry_out(struct call *call)
{
	if (armed.kind.how == FAULT_ALLOCATION) {
		allocations_left = armed.kind.allocation;
		return false;
	}
	fired = true;
	spoke_since = false;
	if (armed.kind.how == FAULT_SHORT) {
		call->rdx = call->rdx > 1 ? call->rdx / 2 : call->rdx;
		return false;
	}
	if (armed.kind.error != 0)
		errno = armed.kind.error;
	call->rax = armed.kind.value;
	return true;
}

static bool decide(struct call *call)
{
	bool fails = false;

	if (fault_functions[call->function].kinds[0].how == FAULT_WATCH) {
		watch(call);
		return false;
	}
	/* An allocation of jansson's is within the call that it was armed for. */
	allocations_left = 0;
	if (mode == RECORDING)
		note(call->caller, (unsigned int)call->function);
	else if (call->caller == armed.site.caller && call->function == armed.site.function)
		fails = ++calls == armed.call && carry_out(call);
	if (!fails && is_function(call, "mmap64"))
		mappings++;
	return fails;
}

static bool allocation_fails(void)
{
	bool fails;

	take_lock();
	fails = allocations_left > 0 && --allocations_left == 0;
	if (fails) {
		fired = true;
		spoke_since = false;
		errno = ENOMEM;
	}
	drop_lock();
	return fails;
}

/* Of a library, or of jansson by the allocator that it is given: base/json.c. */
static bool is_library(const struct call *call)
{
	if (call->caller < (uintptr_t)__executable_start || call->caller >= (uintptr_t)etext)
		return true;
	return is_function(call, "malloc") && call->caller > json_allocator &&
	       call->caller <= json_allocator + ALLOCATOR_SIZE;
}

int fault_decide(struct call *call);
int fault_decide(struct call *call)
{
	int saved = errno;
	bool fails;

	if (mode == OFF || paused > 0)
		return 0;
	if (is_library(call)) {
		fails = allocation_fails();
		call->rax = 0;
		return fails;
	}
	take_lock();
	fails = decide(call);
	drop_lock();
	if (!fails)
		errno = saved;
	return fails;
}

void fault_setup(void)
{
	cleanup(json_decrefp) json_t *json = NULL;
	json_malloc_t allocate;
	json_free_t release;

	/* The first text sets it, for good. */
	if (json_parse("[]", 2, 2, &json) < 0)
		abort();
	json_get_alloc_funcs(&allocate, &release);
	json_allocator = (uintptr_t)allocate;
}

static void start(void)
{
	calls = 0;
	fired = spoke_since = false;
	allocations_left = 0;
	mappings = spoke = 0;
}

void fault_record(struct fault_sites *ret)
{
	start();
	recorded = ret;
	mode = RECORDING;
}

void fault_arm(const struct fault_site *site, unsigned int call, const struct fault_kind *kind)
{
	start();
	armed.site = *site;
	armed.call = call;
	armed.kind = *kind;
	mode = ARMED;
}

void fault_off(void)
{
	mode = OFF;
}

void fault_pause(void)
{
	paused++;
}

void fault_resume(void)
{
	paused--;
}

bool fault_has_fired(void)
{
	return fired;
}

bool fault_has_sentence(int error)
{
	return spoke_since && spoke == error;
}

int fault_mappings(void)
{
	return mappings;
}
