# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Parts of rows 8, 10, 18 and 22, and row 28: what our program cannot prevent, and the manual says.
"""

from rows import documented

THREATS = "THREAT MODEL"

documented(8, "an_older_copy_of_the_same_volume_opens", THREATS,
           r"tells one provisioning from another, not one day from the next: an older copy of the "
           r"same volume opens on its own machine")
documented(8, "a_copy_opens_wherever_the_broker_gives_the_secret", THREATS,
           r"With a broker alone, a copy of the disk opens on each machine that gets its secret")
documented(8, "rolled_back_vtpm", THREATS, "or roll its memory back")
documented(10, "measured_command_line", "BOOT FLOW",
           r"is obeyed by the kernel, before anything of the initrd.*"
           r"asks on the console before each program")
documented(18, "a_vtpm_that_is_not_attested_is_not_trusted", THREATS,
           r"A vTPM is as good as who runs it.*One that the host itself emulates, or that is not "
           r"attested, protects against whoever has the disk alone: the host can read the secret.*"
           r"use a vTPM that lives inside the confidential VM, and attest it.*"
           r"at the first boot nothing names it")
documented(22, "single_sectors_can_be_put_back", THREATS,
           r"does not authenticate it: sectors have no integrity protection.*"
           r"The host can put back an older version of single sectors")
documented(22, "xts_is_malleable", THREATS,
           r"With AES-XTS it can do so for each 16 bytes on their own")
documented(28, "acpi_code_of_the_host", THREATS,
           r"The host supplies the ACPI tables.*\(BadAML\)\. Nothing here looks at them.*"
           r"into PCR 1, or RTMR 0.*add it to the REFERENCE FILE or the policy")
documented(28, "broken_silicon", THREATS,
           r"outside of this program: side channels.*broken silicon or firmware\. The versions .* "
           r"are in the evidence; .* has to refuse .*a floor for the TCB")
