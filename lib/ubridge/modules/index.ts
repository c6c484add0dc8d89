/** The modules of the console, in the order in which it lists them. */
import type { Module } from '../command.js'
import { brctl } from './brctl.js'
import { bridge } from './bridge.js'
import { docker } from './docker.js'
import { hypervisorOf } from './hypervisor.js'
import { link } from './link.js'

export const modules: Readonly<Record<string, Module>> = {
  hypervisor: hypervisorOf(() => modules),
  bridge,
  docker,
  brctl,
  link,
}
