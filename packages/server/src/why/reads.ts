// What an explanation reads of the domains below, under one roof. No SQL: each domain has its own.

import type { Kysely } from 'kysely';
import { activityOutlook } from '../activity/index.ts';
import { delegationOutlook } from '../delegation/index.ts';
import { messagingOutlook } from '../messaging/index.ts';
import type { Tables } from '../platform/db/index.ts';

export type Db = Kysely<Tables>;
export type OpenDelegation = delegationOutlook.OpenDelegation;
export type WaitingMessage = messagingOutlook.WaitingMessage;
export type HeldCall = messagingOutlook.HeldCall;
export type InboxMessage = activityOutlook.InboxMessage;

export const { listOpenFrom, listOpenTo, findForOutlook: findDelegation } = delegationOutlook;
export const { listOpenMessages, listOpenFor, findForOutlook: findQueued, findHeldCall } = messagingOutlook;
export const { listInboxMessages, listUnread, findLoggedMessage, findQuestion } = activityOutlook;
