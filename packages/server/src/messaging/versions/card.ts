// What a stored agent card says, whichever version it is in (chapter 20 §1.4): the neutral middle between the card an agent
// registered and the one a caller gets. Cards are what agents say, so every field may be missing or of another type.

import { isObject, type Json } from '../json.ts';

/** Who the card is of, as the platform knows it. */
export interface CardSeat {
  name: string;
  role: string | null;
  /** Poll-mode agents are answered from their inbox: nothing streams, nothing is pushed. */
  isPoll: boolean;
}

export interface CardExtension {
  uri: string;
  description: string;
  required: boolean;
}

export interface CardSkill {
  id: string;
  name: string;
  description: string;
  tags: string[];
  examples?: string[];
  inputModes?: string[];
  outputModes?: string[];
}

/** Fields both versions have under one name. */
export interface CardText {
  name: string;
  description: string;
  version: string;
  provider?: { organization: string; url: string };
  documentationUrl?: string;
  iconUrl?: string;
  defaultInputModes: string[];
  defaultOutputModes: string[];
}

export interface NeutralCard {
  text: CardText;
  skills: CardSkill[];
  streaming: boolean;
  pushNotifications: boolean;
  stateTransitionHistory: boolean;
}

/** For a card that does not say: both versions demand one. */
const NO_VERSION = '0.0.0';
const TEXT_MODES = ['text/plain'];

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
const modesOf = (value: unknown): string[] => {
  const modes = textsOf(value);
  return modes.length > 0 ? modes : TEXT_MODES;
};

function given(name: string, from: Json): Record<string, string[]> {
  const texts = textsOf(from[name]);
  return texts.length > 0 ? { [name]: texts } : {};
}

function readSkill(skill: unknown): CardSkill[] {
  if (!isObject(skill)) return [];
  const id = textOf(skill.id) || textOf(skill.name);
  if (id === '') return [];
  return [
    {
      id,
      name: textOf(skill.name) || id,
      description: textOf(skill.description),
      tags: textsOf(skill.tags),
      // An empty list of modes would take the card's own away.
      ...given('examples', skill),
      ...given('inputModes', skill),
      ...given('outputModes', skill),
    },
  ];
}

function readText(card: Json, seat: CardSeat): CardText {
  const { provider } = card;
  const [documentationUrl, iconUrl] = [textOf(card.documentationUrl), textOf(card.iconUrl)];
  return {
    name: textOf(card.name) || seat.name,
    description: textOf(card.description) || (seat.role ?? ''),
    version: textOf(card.version) || NO_VERSION,
    ...(isObject(provider)
      ? { provider: { organization: textOf(provider.organization), url: textOf(provider.url) } }
      : {}),
    ...(documentationUrl ? { documentationUrl } : {}),
    ...(iconUrl ? { iconUrl } : {}),
    defaultInputModes: modesOf(card.defaultInputModes),
    defaultOutputModes: modesOf(card.defaultOutputModes),
  };
}

/** @param stored the registered card; what is no object counts as an empty one. */
export function readCard(stored: unknown, seat: CardSeat): NeutralCard {
  const card = isObject(stored) ? stored : {};
  const capabilities = isObject(card.capabilities) ? card.capabilities : {};
  const can = (name: string) => !seat.isPoll && capabilities[name] === true;
  return {
    text: readText(card, seat),
    skills: Array.isArray(card.skills) ? card.skills.flatMap(readSkill) : [],
    streaming: can('streaming'),
    pushNotifications: can('pushNotifications'),
    stateTransitionHistory: can('stateTransitionHistory'),
  };
}

/** What a caller of the platform must know beside the agent's own words. */
export interface CardPlace {
  /** The platform's A2A entry of this agent. */
  url: string;
  extensions: CardExtension[];
}

export const BEARER_NOTE = 'A token of a workspace, or one of an operator, of this platform.';
