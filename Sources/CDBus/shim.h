#pragma once
/* The part of libdbus-1 that is used, declared here so that building needs no headers of it. The library is loaded with
   dlopen at the first call. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef struct DBusConnection DBusConnection;
typedef struct DBusMessage DBusMessage;
/* DBusError */
typedef struct {
  const char *name;
  const char *message;
  unsigned int flags;
  void *padding;
} cd_error;

/* DBUS_TYPE_STRING, DBUS_TYPE_OBJECT_PATH, DBUS_TYPE_BOOLEAN, DBUS_TYPE_INVALID */
enum { CD_STRING = 's', CD_PATH = 'o', CD_BOOLEAN = 'b', CD_END = 0 };

typedef struct {
  void (*error_init)(cd_error *);
  void (*error_free)(cd_error *);
  DBusConnection *(*connection_open_private)(const char *address, cd_error *);
  void (*connection_close)(DBusConnection *);
  void (*connection_unref)(DBusConnection *);
  DBusMessage *(*message_new_method_call)(const char *destination, const char *path, const char *interface,
                                          const char *method);
  void (*message_set_auto_start)(DBusMessage *, uint32_t isOn);
  uint32_t (*message_append_args)(DBusMessage *, int type, ...);
  uint32_t (*message_get_args)(DBusMessage *, cd_error *, int type, ...);
  void (*message_unref)(DBusMessage *);
  DBusMessage *(*connection_send_with_reply_and_block)(DBusConnection *, DBusMessage *, int milliseconds, cd_error *);
} cd_library;

/* Looks up the functions in a loaded library. Returns the name of one that is missing, NULL if there are all. */
static inline const char *cd_find(void *handle, cd_library *library) {
#define CD_FIND(name) \
  if (!(library->name = (__typeof__(library->name))dlsym(handle, "dbus_" #name))) return "dbus_" #name
  CD_FIND(error_init);
  CD_FIND(error_free);
  CD_FIND(connection_open_private);
  CD_FIND(connection_close);
  CD_FIND(connection_unref);
  CD_FIND(message_new_method_call);
  CD_FIND(message_set_auto_start);
  CD_FIND(message_append_args);
  CD_FIND(message_get_args);
  CD_FIND(message_unref);
  CD_FIND(connection_send_with_reply_and_block);
#undef CD_FIND
  return NULL;
}

/* Calls a method with up to two strings (NULL for fewer) and waits for the reply. Returns NULL and fills in `error` if
   there is none. Does not start the service. */
static inline DBusMessage *cd_call(const cd_library *library, DBusConnection *connection, const char *destination,
                                   const char *path, const char *interface, const char *method, const char *first,
                                   const char *second, int milliseconds, cd_error *error) {
  DBusMessage *message = library->message_new_method_call(destination, path, interface, method);
  DBusMessage *reply = NULL;
  if (!message) return NULL;
  library->message_set_auto_start(message, 0);
  if ((!first || library->message_append_args(message, CD_STRING, &first, CD_END)) &&
      (!second || library->message_append_args(message, CD_STRING, &second, CD_END)))
    reply = library->connection_send_with_reply_and_block(connection, message, milliseconds, error);
  library->message_unref(message);
  return reply;
}

/* The reply's first value if it is a string or an object path, else NULL. Valid as long as the reply. */
static inline const char *cd_text(const cd_library *library, DBusMessage *reply) {
  const char *text = NULL;
  if (library->message_get_args(reply, NULL, CD_STRING, &text, CD_END)) return text;
  return library->message_get_args(reply, NULL, CD_PATH, &text, CD_END) ? text : NULL;
}

/* 0 or 1 if the reply's first value is a boolean, else -1. */
static inline int cd_flag(const cd_library *library, DBusMessage *reply) {
  uint32_t flag = 0;
  return library->message_get_args(reply, NULL, CD_BOOLEAN, &flag, CD_END) ? flag != 0 : -1;
}
