/* SPDX-License-Identifier: MIT */
int bm_api_placeholder(void);
int bm_api_placeholder(void)
{
	return 0;
}
