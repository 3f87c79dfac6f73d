// A credential that cannot be looked up is neither good nor bad: the caller is told to come again (chapter 10 §5.2).

import { platformUnavailable } from '../platform/errors.ts';

/** @throws platform_unavailable whatever the query failed of. */
export async function lookUp<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw platformUnavailable(error);
  }
}
