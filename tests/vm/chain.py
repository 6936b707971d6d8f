# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The whole chain: OVMF, a UKI on the ESP, a Debian root tree, as a user would bake it."""
