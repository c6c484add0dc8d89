/**
 * Looks after the file of a running instance, and those that it names: a change is taken over when it is complete. Called by
 * the instance.
 *
 * Theory of operation. The kernel tells of changes in the folders of the files (inotify); a folder and not a file, because
 * editors put a new file in the place of the old one. What it tells is only a hint to look: the stamps of all files, taken when
 * they were read, say whether one differs. It is looked at them every two seconds besides, for what the kernel cannot tell:
 * network file systems, folders that are replaced, links that lead elsewhere. Several saves in quick order are one change, and a
 * change that comes while another is taken over is next.
 */
import { watch, type FSWatcher } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { collectFiles, stampOf, type FilesRead } from '../values/files.js'

/** A change is complete when nothing has followed for so long, in milliseconds. */
const quiet = 100
/** How often the files are looked at when the kernel tells nothing, in milliseconds. */
const pollEvery = 2000

export class FileWatch {
  /** Reads the files and takes over what they say; says itself what comes of that, and throws nothing. */
  readonly #take: () => Promise<void>
  readonly #folders = new Map<string, FSWatcher>()
  readonly #poll: NodeJS.Timeout
  /** By the name of each file: as it was when it was last read. */
  #files: FilesRead
  /** The last parts of the names of the files, and of those to which links lead. */
  #names = new Set<string>()
  #settling: NodeJS.Timeout | undefined
  #turn: Promise<void> | undefined
  #closed = false

  /** `files`: as they were when they were read first. */
  constructor(files: FilesRead, take: () => Promise<void>) {
    this.#files = files
    this.#take = take
    this.#poll = setInterval(() => this.#look(), pollEvery).unref()
  }

  /** Looks from now on; what has changed since the files were read first is taken over, too. */
  async start(): Promise<void> {
    await this.#watchFolders()
    this.#look()
  }

  /** Looks no more. Resolves when what is being taken over is. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#settling)
    for (const watcher of this.#folders.values()) watcher.close()
    this.#folders.clear()
    await this.#turn
  }

  #look(): void {
    if (this.#closed || this.#turn || !this.#differs()) return
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => void this.#again(), quiet)
  }

  #differs(): boolean {
    return [...this.#files].some(([file, stamp]) => stampOf(file) !== stamp)
  }

  async #again(): Promise<void> {
    this.#turn ??= this.#takeOver()
    await this.#turn
    this.#turn = undefined
    this.#look() // what has changed meanwhile
  }

  async #takeOver(): Promise<void> {
    const files: FilesRead = new Map()
    await collectFiles(files, this.#take)
    this.#files = files
    await this.#watchFolders()
  }

  /** The folders of the files, and of those to which links lead. */
  async #watchFolders(): Promise<void> {
    const places = await Promise.all(
      [...this.#files.keys()].map(async (file) => [
        resolve(file),
        await realpath(file).catch(() => resolve(file)),
      ]),
    )
    const all = places.flat()
    this.#names = new Set(all.map((file) => basename(file)))
    const wanted = new Set(all.map((file) => dirname(file)))
    for (const [folder, watcher] of this.#folders)
      if (!wanted.has(folder)) {
        watcher.close()
        this.#folders.delete(folder)
      }
    if (!this.#closed) for (const folder of wanted) this.#watchFolder(folder)
  }

  #watchFolder(folder: string): void {
    if (this.#folders.has(folder)) return
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || this.#names.has(name)) this.#look()
      })
      watcher.on('error', () => {
        watcher.close()
        this.#folders.delete(folder)
      })
      this.#folders.set(folder, watcher)
    } catch {
      // The folder is gone, or there are no watches left: the files are looked at all the same.
    }
  }
}
