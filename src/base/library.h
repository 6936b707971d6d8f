/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_LIBRARY_H
#define CVMROOT_BASE_LIBRARY_H

#include "base/macro.h"

/*
 * A shared library that few boots need: loaded where it is, so that the others do without its bytes
 * in the initrd and its time at each start.
 */
struct library_symbol {
	const char *name;
	void *pointer; /* where the address of the function @name goes: a pointer to a pointer */
};

/*
 * Load @soname and fill in the @count @symbols. It stays loaded. -ENOPKG with a sentence that says
 * what it is needed for (@purpose: "to do this") when it, or one of its functions, is not there.
 */
int library_load(const char *soname, const char *purpose, const struct library_symbol *symbols,
		 size_t count);

/*
 * Tell packaging tools of a library that no list of needed ones names, by an ELF note (UAPI group,
 * ELF dlopen metadata). @feature and @description are for people. One for each file.
 */
#define LIBRARY_NOTE(feature, description, soname)                                                 \
	LIBRARY_NOTE_TEXT("[{\"feature\":\"" feature "\",\"description\":\"" description           \
			  "\",\"priority\":\"suggested\",\"soname\":[\"" soname "\"]}]")
#define LIBRARY_NOTE_TEXT(text)                                                                    \
	static const struct {                                                                      \
		uint32_t name_size, text_size, type;                                               \
		char name[4];                                                                      \
		_Alignas(uint32_t) char content[sizeof(text)];                                     \
	} library_note __attribute__((used, section(".note.dlopen"), aligned(4))) = {              \
		.name_size = 4,                                                                    \
		.text_size = sizeof(text),                                                         \
		.type = 0x407c0c0a,                                                                \
		.name = "FDO",                                                                     \
		.content = text,                                                                   \
	}

#endif
