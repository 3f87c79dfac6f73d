// The primitives, under one name.

export * from './button.tsx';
export * from './clipboard.ts';
export * from './code-block.tsx';
export * from './copy-button.tsx';
export * from './dialog.tsx';
export * from './error-boundary.tsx';
export * from './field.tsx';
export * from './format.ts';
export * from './icon.tsx';
export * from './json.tsx';
export * from './kbd.tsx';
export * from './menu.tsx';
export * from './receipt.tsx';
export * from './save-as.ts';
export * from './skeleton.tsx';
export * from './status.tsx';
export * from './tabs.tsx';
export * from './tier.tsx';
export * from './time.tsx';
export * from './toast.tsx';
export * from './tooltip.tsx';
