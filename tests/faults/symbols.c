/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "scenario.h"

#include "base/file.h"

#include <elf.h>
#include <string.h>

/* Static functions, too, have a name in the program's own file; no library tells it. */

extern const char __ehdr_start[];

struct symbols {
	char *file;
	const Elf64_Sym *table;
	size_t count;
	const char *names;
};

static void load(struct symbols *symbols)
{
	const Elf64_Shdr *sections;
	const Elf64_Ehdr *header;
	size_t size;

	must(file_read_all("/proc/self/exe", 256 * MIB, &symbols->file, &size), "reading itself");
	header = (const Elf64_Ehdr *)(const void *)symbols->file;
	sections = (const Elf64_Shdr *)(const void *)(symbols->file + header->e_shoff);
	for (size_t i = 0; i < header->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB) {
			symbols->table = (const Elf64_Sym *)(const void *)(symbols->file +
									   sections[i].sh_offset);
			symbols->count = sections[i].sh_size / sizeof(*symbols->table);
			symbols->names = symbols->file + sections[sections[i].sh_link].sh_offset;
		}
}

const char *name_of_address(uintptr_t address)
{
	static struct symbols symbols;
	static char text[160];
	uintptr_t offset = address - (uintptr_t)__ehdr_start;

	if (!symbols.file)
		load(&symbols);
	for (size_t i = 0; i < symbols.count; i++) {
		const Elf64_Sym *symbol = &symbols.table[i];

		if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && offset > symbol->st_value &&
		    offset <= symbol->st_value + symbol->st_size) {
			snprintf(text, sizeof(text), "%s+0x%lx", symbols.names + symbol->st_name,
				 (unsigned long)(offset - symbol->st_value));
			return text;
		}
	}
	snprintf(text, sizeof(text), "0x%lx", (unsigned long)offset);
	return text;
}
