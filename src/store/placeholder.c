/* SPDX-License-Identifier: MIT */
int bm_store_placeholder(void);
int bm_store_placeholder(void)
{
	return 0;
}
