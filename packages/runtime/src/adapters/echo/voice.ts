// What a scripted agent says when nothing scripts it: words made of its role and the task, always the same for the same two. Pure.

import type { FilePart } from '../adapter.ts';

export const NOTICE =
  '> Scripted echo agent: no model is connected. This answer is written by rules, not by a model; add a model key for real ones.';

const SHORT = '**In short:** ';
const LABEL_LENGTH = 80;
const VIEWS_OF_ONE = 3;

const VIEWS: readonly (readonly [title: string, text: string])[] = [
  ['What changes', 'the parts of our work this touches.'],
  ['The risk', 'what could go wrong, and how we would notice.'],
  ['The first step', 'the smallest thing that could be done and shown this week.'],
  ['The decision', 'who has to decide what before work starts.'],
  ['The proof', 'what would show that it is done.'],
  ['What it waits for', 'people and results that have to be there first.'],
  ['What is not known', 'questions to ask before anybody promises anything.'],
  ['The cost', 'time and people, as a range.'],
];

const uncapitalize = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** `A`, `A and B`, `A, B and C`. */
export function enumerate(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** The first line of a task, as it is quoted. */
export function quoteTopic(topic: string): string {
  const line =
    topic
      .split('\n')
      .map((one) => one.trim())
      .find((one) => one !== '') ?? '';
  const characters = [...line];
  const cut = characters.length > LABEL_LENGTH ? `${characters.slice(0, LABEL_LENGTH - 1).join('')}…` : line;
  return `“${cut}”`;
}

/** Three of the views, by the name: colleagues look at a task from different sides. */
export function pickViews(name: string): (readonly [title: string, text: string])[] {
  const start = [...name].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0);
  return Array.from({ length: VIEWS_OF_ONE }, (_, index) => VIEWS[(start + index) % VIEWS.length] ?? ['', '']);
}

/** How somebody without reports answers. */
export function answerAlone(input: { name: string; role: string; topic: string; files: readonly FilePart[] }): string {
  const { name, role, topic, files } = input;
  const views = pickViews(name);
  return [
    NOTICE,
    `**${name}** on ${quoteTopic(topic)}`,
    ...(role === '' ? [] : [`My part: ${uncapitalize(role)}`]),
    views.map(([title, text]) => `- **${title}**: ${text}`).join('\n'),
    ...(files.length > 0 ? [`Attached: ${enumerate(files.map((file) => file.name))}.`] : []),
    summarize(`I would report ${enumerate(views.map(([title]) => uncapitalize(title)))}.`),
  ].join('\n\n');
}

/**
 * A report's answer as a section of its lead's: without what the lead says itself (the notice, the report's name as a heading,
 * the line that sums up), its headings below the section's.
 */
export function toSection(answer: string, name: string): string {
  return answer
    .split('\n')
    .filter((line) => line !== NOTICE && line !== `## ${name}` && !line.startsWith(SHORT))
    .map((line) => line.replace(/^(#{1,4}) /, '##$1 '))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** The last line of an answer that sums it up; empty when it has none. */
export function findSummary(answer: string): string {
  return (
    answer
      .split('\n')
      .findLast((line) => line.startsWith(SHORT))
      ?.slice(SHORT.length) ?? ''
  );
}

export const summarize = (text: string): string => `${SHORT}${text}`;
