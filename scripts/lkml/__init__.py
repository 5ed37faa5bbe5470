# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/review, scripts/mbox and scripts/send share."""
